// Log-in: the first commands on a connection, and the meaning of their replies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection.hpp"

namespace dlock::redis {

/// The commands that open a connection, sent in one write.
[[nodiscard]] std::vector<std::vector<std::string>> login_commands(const Endpoint& endpoint,
                                                                   const std::string& client_name);

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
