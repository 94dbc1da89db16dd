// Log-in: the first commands on a connection, and the meaning of their replies.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "redis/connection.hpp"
#include "redis/dial.hpp"
#include "redis/stream.hpp"

namespace dlock::redis {

/// Asks for the credentials of now. Throws `Unreachable` with the reason.
[[nodiscard]] Credentials ask_for_credentials(const CredentialsFunction& ask);
/// The instant, from now on, at which to log in again with other credentials; none: never.
[[nodiscard]] std::optional<std::chrono::steady_clock::time_point> login_due(
    const Credentials& credentials);
/// The command that logs in again on an open connection.
[[nodiscard]] std::vector<std::string> login_command(const Credentials& credentials);

/// What a server says about itself, and how it talks.
struct Greeting {
  std::int64_t id = 0;        ///< the server's id of this connection; 0: unknown
  std::string server;         ///< "redis", "valkey"
  std::string version;        ///< as text: "7.0.15"; empty: unknown
  std::string mode;           ///< "standalone", "sentinel" or "cluster"; empty: unknown
  std::string role;           ///< "master" or "replica"; empty: unknown
  std::string run_id;         ///< if `Connection::Settings::wants_run_id`; empty: unknown
  bool speaks_resp2 = false;  ///< it does not know RESP3, in which HELLO asks for messages
  bool has_slots = false;     ///< all keys of a command must be in one slot
};

/// Logs in, by HELLO 3 with AUTH and SETNAME; where the server does not know HELLO, by a command
/// for each. Throws `Unreachable`, `Refused`, `UsageError`, or `StoreUnusable` when this server
/// cannot be what the settings say.
[[nodiscard]] Greeting log_in(Stream& stream, const Connection::Settings& settings,
                              Deadline deadline);
/// Logs in on the second connection to a server that speaks RESP2. Throws the same.
void log_in_to_listen(Stream& stream, const Connection::Settings& settings, Deadline deadline);

/// The command that this server has for it.
[[nodiscard]] DeleteIfEqual delete_if_equal_of(const Greeting& greeting);

}  // namespace dlock::redis
