// The private server behind `local:`: the first program of a user starts it.
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>

#include "redis/connection.hpp"
#include "runtime/deadline.hpp"

namespace dlock::local_server {

/// Returns a path to the socket of this user's private server, and starts the server if it does not
/// run. An empty `directory` stands for $DLOCK_LOCAL_DIR, or without that for the usual one of this
/// user. Many processes may call it at once. Throws `Unreachable`, which says what to do, if no
/// server program is installed, other users could write to the directory, or the server cannot be
/// reached within `timeout`; a server that this call starts has four times as long to answer.
[[nodiscard]] std::string ensure_local_server(const std::string& directory,
                                              std::chrono::milliseconds timeout);

/// The same for `redis::Connection::Settings::find_local`.
[[nodiscard]] redis::LocalSocket find_local_server(const std::string& directory,
                                                   std::chrono::milliseconds timeout);

/// Whether the server at `socket` executes `command`. It does not while it loads its data.
[[nodiscard]] bool executes(std::initializer_list<std::string_view> command,
                            const std::string& socket, runtime::Deadline deadline);

}  // namespace dlock::local_server
