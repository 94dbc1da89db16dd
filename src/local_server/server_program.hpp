// The private server's program: where it is, and how to run it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::local_server {

/// Returns `given` if it is not empty, otherwise the path of redis-server or valkey-server in the
/// directories of `search_path` (as $PATH) or in `standard`, otherwise `last_resort` if that is the
/// absolute path of a program. Throws `Unreachable`, which says what to install.
[[nodiscard]] std::string find_server_program(std::string_view given, std::string_view search_path,
                                              std::span<const std::string> standard,
                                              const std::string& last_resort = {});

/// The same, by $DLOCK_REDIS_SERVER, $PATH, the usual directories and what was offered.
[[nodiscard]] std::string find_server_program();

/// Implements `dlock::offer_server_program`. Thread-safe.
void offer_server_program(std::string_view path);

/// The command that runs the private server in `directory`, its working directory. Without
/// `keeps_data` it forgets its locks when it ends, and needs no room on the disk.
[[nodiscard]] std::vector<std::string> server_command(const std::string& program,
                                                      const std::string& directory,
                                                      bool keeps_data = true);

/// The part of this program's environment that it gets: no preloaded libraries, no language, no
/// secrets.
[[nodiscard]] std::vector<std::string> server_environment();

/// The names of the server's files in its directory.
inline constexpr std::string_view socket_name = "redis.sock";
inline constexpr std::string_view log_name = "redis.log";
inline constexpr std::string_view pid_name = "redis.pid";
inline constexpr std::string_view data_name = "appendonlydir";

}  // namespace dlock::local_server
