// Dialling: a connected, non-blocking socket to a host or a unix socket, within a time.
#pragma once

#include <netdb.h>

#include <string>

#include "dlock/error.hpp"
#include "runtime/deadline.hpp"

namespace dlock::redis {

using runtime::Deadline;
using runtime::wait_for;

/// A host name that does not resolve.
class UnknownHost : public Unreachable {
 public:
  using Unreachable::Unreachable;
};

/// Connects to the first address of `host` that accepts; each address gets a share of the
/// time. Does not wait for a name server beyond the deadline. The socket has close-on-exec,
/// non-blocking, TCP_NODELAY and keep-alive set, and belongs to the caller. Throws `Unreachable` or
/// `UnknownHost` with the reason alone (the caller knows the URL).
[[nodiscard]] int dial_tcp(const std::string& host, int port, Deadline deadline);

/// The same for a list of addresses from getaddrinfo(), which the caller frees.
[[nodiscard]] int dial_first(const addrinfo* addresses, Deadline deadline);

/// The same for where the connected socket `fd` leads.
[[nodiscard]] int dial_peer_of(int fd, Deadline deadline);

/// The same for a unix socket, also for paths longer than a socket address holds.
[[nodiscard]] int dial_unix(const std::string& path, Deadline deadline);

}  // namespace dlock::redis
