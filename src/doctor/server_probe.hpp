// ServerProbe: asks one server or Sentinel about itself and its clock, by commands that change
// nothing.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection.hpp"
#include "redis/info.hpp"

namespace dlock::redis {

/// The server's clock and this machine's at one moment.
struct ClockReading {
  std::chrono::steady_clock::time_point at;  ///< the middle of the round trip
  std::chrono::microseconds here{};          ///< this machine's wall clock then, since 1970
  std::chrono::microseconds there{};  ///< the server's clock; uncertain by half the round trip
  std::chrono::microseconds round_trip{};
};

struct NodeFacts {
  enum class Role { primary, replica, sentinel };
  using Fields = redis::Fields;

  std::string address;
  std::vector<std::string> url_hosts;  ///< the names by which the user knows the store
  Role role = Role::primary;
  std::string problem;  ///< why there is no answer; then the following members are incomplete
  std::string server;   ///< "redis", "valkey"
  std::string version;
  bool has_slots = false;     ///< all keys of a command must be in one slot
  bool speaks_resp2 = false;  ///< and not RESP3
  Fields info;                ///< from INFO
  Fields config;              ///< from CONFIG GET, the settings that matter to locks
  Fields service;  ///< from a Sentinel: SENTINEL MASTER, and the answer to CKQUORUM as "ckquorum"
  std::map<std::string, std::string, std::less<>> unknown;  ///< refused command -> the reason
  std::vector<ClockReading> clock;                          ///< in order of time
  std::vector<std::chrono::microseconds> round_trips;
};

/// `host:port`, an IPv6 address in brackets.
[[nodiscard]] std::string display_address(std::string_view host, int port);

/// Not thread-safe. No member throws because of the server: `facts().problem` says what is wrong,
/// and the probe does not ask again.
class ServerProbe {
 public:
  /// Connects. With the role sentinel: to a Sentinel, about `service`.
  ServerProbe(const Connection::Settings& settings, std::string address, NodeFacts::Role role,
              std::chrono::milliseconds timeout, std::string service = {},
              std::vector<std::string> url_hosts = {});

  /// Asks for everything but the clock.
  void ask();
  /// Reads the server's clock several times and keeps the best reading.
  void read_clock();

  /// Sends commands together and returns their replies, errors included; empty: the server is
  /// silent.
  [[nodiscard]] std::vector<Reply> call_all(const std::vector<std::vector<std::string>>& commands);

  [[nodiscard]] bool answers() const noexcept { return connection_ != nullptr; }
  [[nodiscard]] const NodeFacts& facts() const noexcept { return facts_; }
  /// Why it could not connect.
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
