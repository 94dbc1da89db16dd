// The private server's program: where it is, and how it is told to run.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::redis {

/// The path of `given` if it is not empty, else of redis-server or valkey-server in the directories
/// of `search_path` (as $PATH) or in `standard`. Throws `Unreachable` that says what to install.
[[nodiscard]] std::string find_server_program(std::string_view given, std::string_view search_path,
                                              std::span<const std::string> standard);

/// The same, by $DLOCK_REDIS_SERVER, $PATH and the usual directories.
[[nodiscard]] std::string find_server_program();

/// The command that runs the private server; its working directory is the server's.
[[nodiscard]] std::vector<std::string> server_command(const std::string& program);

/// The names of the server's files in its directory.
inline constexpr std::string_view socket_name = "redis.sock";
inline constexpr std::string_view log_name = "redis.log";
inline constexpr std::string_view pid_name = "redis.pid";

}  // namespace dlock::redis
