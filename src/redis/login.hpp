// Log-in: the first commands on a connection, and the meaning of their replies.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection.hpp"

namespace dlock::redis {

/// Asks for the credentials, and returns them; those of the endpoint, if there is nobody to ask.
/// Throws `Unreachable` with the reason.
[[nodiscard]] Credentials credentials_of(const Endpoint& endpoint, const CredentialsFunction& ask);

/// The instant, from now on, at which to log in again with other credentials; none: never.
[[nodiscard]] std::optional<std::chrono::steady_clock::time_point> login_due(
    const Credentials& credentials);

/// The commands that open a connection, sent in one write.
[[nodiscard]] std::vector<std::vector<std::string>> login_commands(
    const Endpoint& endpoint, const Credentials& credentials, const std::string& client_name);
/// The command that logs in again.
[[nodiscard]] std::vector<std::string> login_command(const Credentials& credentials);

/// What a server says about itself in its reply to HELLO.
struct Greeting {
  std::int64_t id = 0;  ///< the server's id of this connection
  std::string server;   ///< "redis", "valkey"
  std::string version;  ///< as text: "7.0.15"
  std::string mode;     ///< "standalone", "sentinel" or "cluster"
  std::string role;     ///< "master" or "replica"
};

/// Reads the reply to HELLO. Throws `Unreachable` if it is not one.
[[nodiscard]] Greeting read_greeting(const Reply& reply);

/// The command that this server has for it.
[[nodiscard]] DeleteIfEqual delete_if_equal_of(const Greeting& greeting);

/// Throws `StoreUnusable` when this server cannot be a store for locks.
void check_greeting(const Greeting& greeting, Endpoint::Kind kind);
/// Throws `StoreUnusable` when this is no Sentinel.
void check_sentinel(const Greeting& greeting);

/// Throws the error that `error_reply` to `command`, one of `login_commands`, stands for.
[[noreturn]] void throw_login_error(const Endpoint& endpoint, std::string_view command,
                                    std::string_view error_reply);

}  // namespace dlock::redis
