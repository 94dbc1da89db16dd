// Ledger: what one server has handed out, and who waits there.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "simulation/stage.hpp"

namespace dlock::sim {

using ProcessId = std::size_t;

/// Checks that fence counters grow on the server, and that its queues are served in order.
class Ledger {
 public:
  explicit Ledger(Stage& stage) : stage_(stage) {}

  /// A request for `token`, as the server reads it.
  struct Request {
    ProcessId process = 0;
    bool hears = true;        ///< nothing keeps a grant from reaching the process
    bool first = false;       ///< it may overtake, since it holds already
    std::int64_t ticket = 0;  ///< its place in the queue, if it knows one
  };
  void asked(const std::string& key, const std::string& token, const Request& request);
  void queued(const std::string& token, std::int64_t ticket);
  /// `token` has the key, and this counter; its client decides whether it is a fence.
  void offered(const std::string& token, std::int64_t counter);
  /// `token` has the lock under this counter, by a reply or a grant.
  void acquired(const std::string& token, std::int64_t counter);
  void left(const std::string& token);
  /// Data about `key` got lost, or about everything if it is empty.
  void forgotten(const std::string& key);
  /// Something happened to `process` that may cost its waiters their places.
  void disturbed(ProcessId process);
  /// The server has another queue than this ledger.
  void order_is_lost() { order_is_lost_ = true; }

  [[nodiscard]] bool handed_out(const std::string& token, std::int64_t counter) const;
  /// The last counter of `key`.
  [[nodiscard]] std::int64_t counter(const std::string& key) const;
  [[nodiscard]] std::size_t waiting(const std::string& key) const;
  /// `key` became free: nobody may wait whom the server could have made the holder.
  void check_idle(const std::string& key) const;

 private:
  struct Waiter {
    std::int64_t ticket = 0;
    ProcessId process = 0;
    bool disturbed = false;
  };
  struct Name {
    std::int64_t counter = 0;  ///< the last that was handed out
    std::map<std::string, Waiter> waiting;
  };
  struct Token {
    std::string key;
    Request request;
    std::set<std::int64_t> counters;
  };

  [[nodiscard]] bool is_in_order(const Name& name) const;
  void check_order(const std::string& key, const Name& name, const std::string& token) const;

  Stage& stage_;
  std::map<std::string, Name> names_;
  std::map<std::string, Token> tokens_;
  bool order_is_lost_ = false;
};

}  // namespace dlock::sim
