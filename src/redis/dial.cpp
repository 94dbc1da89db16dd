// Dialling: a connected, non-blocking socket to a host or a unix socket, within a time.
#include "redis/dial.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "dlock/error.hpp"
#include "runtime/descriptor.hpp"

namespace dlock::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string describe(int error) { return std::generic_category().message(error); }

[[noreturn]] void unreachable(const std::string& why) { throw Unreachable(errc::unreachable, why); }

// 0, or the error number of the failure.
int connect_within(int fd, const sockaddr* address, socklen_t length, Deadline deadline) {
  if (::connect(fd, address, length) == 0) return 0;
  if (errno != EINPROGRESS && errno != EINTR) return errno;
  if (!wait_for(fd, POLLOUT, deadline)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int outcome = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (outcome != 0) {
    const auto why = outcome == EAI_SYSTEM ? describe(errno) : std::string{::gai_strerror(outcome)};
    const auto text = "the host name cannot be resolved (" + why + "); check its spelling";
    if (outcome == EAI_AGAIN) unreachable(text);  // the name server may come back
    throw UnknownHost{errc::unreachable, text};
  }
  return Addresses{list};
}

int count(const addrinfo* list) {
  int entries = 0;
  for (; list != nullptr; list = list->ai_next) ++entries;
  return entries;
}

}  // namespace

int dial_first(const addrinfo* addresses, Deadline deadline) {
  int left = count(addresses);
  int error = EADDRNOTAVAIL;
  for (const auto* entry = addresses; entry != nullptr; entry = entry->ai_next, --left) {
    runtime::Descriptor socket{
        ::socket(entry->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket) {
      error = errno;
      continue;
    }
    const auto now = steady_clock::now();
    error = connect_within(socket.get(), entry->ai_addr, entry->ai_addrlen,
                           now + (deadline - now) / left);
    if (error != 0) continue;
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket.give_up();
  }
  unreachable("no connection (" + describe(error) +
              "); check that the server runs, and its host and port");
}

int dial_tcp(const std::string& host, int port, Deadline deadline) {
  return dial_first(resolve(host, port).get(), deadline);
}

int dial_unix(const std::string& path, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = path;
  runtime::Descriptor directory;  // open until the socket is connected
  if (name.size() >= sizeof address.sun_path) {
    // A socket address holds 107 bytes.
    if (!runtime::shorten(name, directory)) unreachable(describe(errno));
    if (name.size() >= sizeof address.sun_path) unreachable("the socket's file name is too long");
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  for (;;) {
    runtime::Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket) unreachable(describe(errno));
    const int error = connect_within(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                                     sizeof address, deadline);
    if (error == 0) return socket.give_up();
    if (error != EAGAIN || steady_clock::now() >= deadline) {
      unreachable("no connection (" + describe(error) +
                  "); check that the server runs, and the path of its socket");
    }
    std::this_thread::sleep_for(milliseconds{1});  // the listener's queue is full: no event tells
  }
}

}  // namespace dlock::redis
