// ServerProbe: what one server, or Sentinel, says about itself and its clock, by commands that
// change nothing.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection.hpp"

namespace dlock::redis {

/// Its clock and ours, at one moment.
struct ClockReading {
  std::chrono::steady_clock::time_point at;  ///< the middle of the round trip
  std::chrono::microseconds here{};          ///< our clock of the day then, since 1970
  std::chrono::microseconds there{};         ///< its clock, which may be off by half the round trip
  std::chrono::microseconds round_trip{};
};

struct NodeFacts {
  enum class Role { primary, replica, sentinel };
  using Fields = std::map<std::string, std::string, std::less<>>;

  std::string address;
  Role role = Role::primary;
  std::string problem;  ///< why there is no answer; what follows is not complete then
  std::string server;   ///< "redis", "valkey"
  std::string version;
  Fields info;     ///< of INFO
  Fields config;   ///< of CONFIG GET, of the settings that matter to locks
  Fields service;  ///< of a Sentinel: SENTINEL MASTER, and the answer to CKQUORUM as "ckquorum"
  std::map<std::string, std::string, std::less<>> unknown;  ///< refused command -> the reason
  std::vector<ClockReading> clock;                          ///< in order of time
  std::vector<std::chrono::microseconds> round_trips;
};

/// Host and port as they are written; an IPv6 address in brackets.
[[nodiscard]] std::string display_address(std::string_view host, int port);

/// Not thread-safe. No member throws for what the server does: `facts().problem` says it, and the
/// node is not asked again.
class ServerProbe {
 public:
  /// Connects. Role sentinel: to a Sentinel for `service`.
  ServerProbe(const Connection::Settings& settings, std::string address, NodeFacts::Role role,
              std::chrono::milliseconds timeout, std::string service = {});

  /// Asks it for all but the clock.
  void ask();
  /// Takes the best of some readings of its clock.
  void read_clock();

  /// The replies to commands that are sent together. Errors are returned; empty: it is silent.
  [[nodiscard]] std::vector<Reply> call_all(const std::vector<std::vector<std::string>>& commands);

  [[nodiscard]] bool answers() const noexcept { return connection_ != nullptr; }
  [[nodiscard]] const NodeFacts& facts() const noexcept { return facts_; }
  /// Why it could not be connected to.
  [[nodiscard]] errc problem_code() const noexcept { return problem_code_; }

 private:
  [[nodiscard]] Reply call(const std::vector<std::string>& fields);
  void ask_fields(const std::vector<std::string>& fields, NodeFacts::Fields& into);

  NodeFacts facts_;
  const std::chrono::milliseconds timeout_;
  const std::string service_;
  std::unique_ptr<Connection> connection_;
  errc problem_code_{};
};

}  // namespace dlock::redis
