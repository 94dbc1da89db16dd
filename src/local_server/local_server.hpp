// The private server behind `local:`: started once for this user, whoever comes first.
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>

#include "redis/connection.hpp"
#include "runtime/deadline.hpp"

namespace dlock::local_server {

/// Returns a path to the socket of this user's running private server, and starts it if there is
/// none or if it died. `directory` empty: that of $DLOCK_LOCAL_DIR, else the usual one of this
/// user. Safe to call from many processes at once. Throws `Unreachable` (no server binary: says
/// what to install or to set a URL; a directory that others could write to; a server that does not
/// come up within `timeout`, or that cannot be reached).
[[nodiscard]] std::string ensure_local_server(const std::string& directory,
                                              std::chrono::milliseconds timeout);

/// The same for `redis::Connection::Settings::find_local`.
[[nodiscard]] redis::LocalSocket find_local_server(const std::string& directory,
                                                   std::chrono::milliseconds timeout);

/// Whether the server at `socket` does what it is told: not before it has its data in memory again.
[[nodiscard]] bool executes(std::initializer_list<std::string_view> command,
                            const std::string& socket, runtime::Deadline deadline);

}  // namespace dlock::local_server
