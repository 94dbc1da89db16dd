// QuorumScript: a test as a script, of events for a router with a quorum, and what it must do.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "core/router/router.hpp"

namespace dlock::core {

/// Servers are called a, b, c, ...; all are connected at the start.
class QuorumScript {
 public:
  explicit QuorumScript(std::size_t servers = 3);

  QuorumScript& at(Duration when);

  // Events.
  void acquire(WaiterId waiter, AcquireRequest wish = {.key = "job"}) {
    router_.acquire(now_, waiter, std::move(wish)), note();
  }
  void cancel(WaiterId waiter) { router_.cancel(now_, 0, waiter), note(); }
  void release(WaiterId waiter) { router_.release(now_, *leases.at(waiter)), note(); }
  void close() { router_.close(now_), note(); }
  /// The reply to the oldest command of a server, without its echo.
  void reply(char server, std::string_view text);
  void error(char server, errc code);
  void disconnect(char server);
  void connect_fails(char server, errc code = errc::unreachable);
  void connect(char server);
  /// All timers until then, in their order.
  void pass_until(Duration when);
  void message(char server, std::string_view text);
  /// Ours, with the fence `counter`, on all servers. Leaves nothing to look at.
  void obtain(WaiterId waiter, AcquireRequest wish = {.key = "job"});

  /// The actions since the last look, one line each: answers to users, and commands.
  void expect(const std::vector<std::string>& lines,
              std::source_location where = std::source_location::current());
  void forget() { lines_.clear(); }
  [[nodiscard]] Duration end(WaiterId waiter) const;
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

  [[nodiscard]] const Router& router() const { return router_; }
  /// The token of the last acquire that a server was sent.
  std::map<char, std::string> tokens;
  std::map<WaiterId, std::shared_ptr<LeaseRecord>> leases;
  std::string refusal;  ///< the last sentence

 private:
  static Router::Settings settings(std::size_t servers);
  static ServerId place(char server) { return static_cast<ServerId>(server - 'a'); }
  void note();
  void carry_out(ServerId server, const Action& action);
  void tell(const Action& action);

  Instant now_;
  Router router_;
  std::vector<std::deque<Command>> commands_;
  std::vector<bool> connecting_;
  std::vector<std::string> lines_;
};

}  // namespace dlock::core
