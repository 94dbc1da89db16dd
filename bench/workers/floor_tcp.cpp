// Floor: 100 bytes there and back by loopback TCP, without Redis. The other end is a process of its
// own, on the server's core: the environment variable BENCH_SERVER_CPU says which that is.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "workers/subjects.hpp"

namespace dlock::bench {

namespace {

using Message = std::array<char, 100>;

void send_all(int socket, const Message& message) {
  if (::send(socket, message.data(), message.size(), MSG_NOSIGNAL) != 100) {
    throw std::runtime_error("floor-tcp: cannot send");
  }
}

bool receive_all(int socket, Message& message) {
  return ::recv(socket, message.data(), message.size(), MSG_WAITALL) == 100;
}

[[noreturn]] void echo(int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (const char* cpu = std::getenv("BENCH_SERVER_CPU")) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(std::atoi(cpu)), &set);
    ::sched_setaffinity(0, sizeof set, &set);
  }
  for (Message message{}; receive_all(socket, message);) send_all(socket, message);
  ::_exit(0);
}

class FloorTcp : public Run {
 public:
  explicit FloorTcp(Start start) : start_(std::move(start)) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(listener, generic, size) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, generic, &size) != 0 || ::connect(socket_, generic, size) != 0) {
      throw std::runtime_error("floor-tcp: cannot connect");
    }
    const int other = ::accept(listener, nullptr, nullptr);
    ::close(listener);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(other, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    child_ = ::fork();
    if (child_ == 0) {
      ::close(socket_);
      echo(other);
    }
    ::close(other);
  }
  ~FloorTcp() override {
    ::close(socket_);
    ::waitpid(child_, nullptr, 0);
  }

  Result go(const Window& window) override {
    Result result;
    result.samples.resize(1);
    Message message{};
    take_turns(
        start_, window, 0, result.samples[0],
        [&] {
          send_all(socket_, message);
          receive_all(socket_, message);
        },
        [] {});
    return result;
  }

 private:
  Start start_;
  int socket_ = -1;
  ::pid_t child_ = -1;
};

}  // namespace

std::unique_ptr<Run> make_floor_tcp(const Server& /*server*/, const Start& start) {
  return std::make_unique<FloorTcp>(start);
}

}  // namespace dlock::bench
