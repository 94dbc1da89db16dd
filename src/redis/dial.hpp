// Dialling: a connected, non-blocking socket to a host or a unix socket, within a time.
#pragma once

#include <netdb.h>

#include <chrono>
#include <string>

namespace dlock::redis {

/// A deadline of a call, by a clock that does not step.
using Deadline = std::chrono::steady_clock::time_point;

/// Connects to the first address of `host` that takes the connection; each gets its share of the
/// time. The socket has close-on-exec, non-blocking and TCP_NODELAY set, and belongs to the caller.
/// Throws `Unreachable` with the reason alone (the caller knows the URL).
[[nodiscard]] int dial_tcp(const std::string& host, int port, Deadline deadline);

/// The same for a list of addresses as of getaddrinfo, which remains the caller's.
[[nodiscard]] int dial_first(const addrinfo* addresses, Deadline deadline);

/// The same for a unix socket, also for paths longer than a socket address holds.
[[nodiscard]] int dial_unix(const std::string& path, Deadline deadline);

/// Waits until `fd` has one of `events` (poll's) or an error. False: `deadline` passed.
[[nodiscard]] bool wait_for(int fd, short events, Deadline deadline);

}  // namespace dlock::redis
