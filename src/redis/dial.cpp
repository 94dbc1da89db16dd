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
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "dlock/error.hpp"
#include "runtime/background_thread.hpp"
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

/// What a resolver said.
struct Resolved {
  int outcome = EAI_FAIL;
  int error = 0;  ///< of the system
  Addresses list;
};

Resolved ask_resolver(const std::string& host, int port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* list = nullptr;
  Resolved resolved;
  resolved.outcome = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  resolved.error = errno;
  if (resolved.outcome == 0) resolved.list.reset(list);
  return resolved;
}

// A resolver may take as long as it likes, and no call ends it: it has a thread of its own, which
// is left behind at the deadline.
Resolved ask_resolver_by(const std::string& host, int port, Deadline deadline) {
  struct Question {
    std::mutex mutex;
    std::condition_variable answered;
    bool is_answered = false;
    Resolved answer;
  };
  const auto question = std::make_shared<Question>();
  try {
    runtime::background_thread([question, host, port] {
      auto answer = ask_resolver(host, port, 0);
      const std::lock_guard lock{question->mutex};
      question->answer = std::move(answer);
      question->is_answered = true;
      question->answered.notify_one();
    }).detach();
  } catch (const std::system_error& error) {
    unreachable(std::string{"cannot start a thread to resolve the host name: "} + error.what());
  }
  std::unique_lock lock{question->mutex};
  if (!question->answered.wait_until(lock, deadline, [&] { return question->is_answered; })) {
    unreachable("the name server did not answer within the connect timeout; check the host name");
  }
  return std::move(question->answer);
}

Addresses resolve(const std::string& host, int port, Deadline deadline) {
  auto resolved = ask_resolver(host, port, AI_NUMERICHOST);
  if (resolved.outcome != 0) resolved = ask_resolver_by(host, port, deadline);
  if (resolved.outcome != 0) {
    const auto why = resolved.outcome == EAI_SYSTEM ? describe(resolved.error)
                                                    : std::string{::gai_strerror(resolved.outcome)};
    const auto text = "the host name cannot be resolved (" + why + "); check its spelling";
    if (resolved.outcome == EAI_AGAIN) unreachable(text);  // the name server may come back
    throw UnknownHost{errc::unreachable, text};
  }
  return std::move(resolved.list);
}

// A NAT or a firewall forgets flows that are idle, the shortest after minutes: the system then
// notices a dead connection in two, and a living one is not forgotten.
void keep_alive(int socket) {
  const int on = 1;
  const int idle_s = 60;
  const int interval_s = 15;
  const int probes = 4;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
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
    keep_alive(socket.get());
    return socket.give_up();
  }
  unreachable("no connection (" + describe(error) +
              "); check that the server runs, and its host and port");
}

int dial_tcp(const std::string& host, int port, Deadline deadline) {
  return dial_first(resolve(host, port, deadline).get(), deadline);
}

int dial_peer_of(int fd, Deadline deadline) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    unreachable(describe(errno));
  }
  addrinfo entry{};
  entry.ai_family = address.ss_family;
  entry.ai_addr = reinterpret_cast<sockaddr*>(&address);
  entry.ai_addrlen = size;
  return dial_first(&entry, deadline);
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
