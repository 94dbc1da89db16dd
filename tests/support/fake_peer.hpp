// A peer that is no Redis server, or an unusual one: says what it is told to, whatever it hears.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <thread>

namespace dlock::test {

/// Listens on a free port; answers each connection's first bytes with one text.
class FakePeer {
 public:
  enum class Then { hang_up, wait };

  explicit FakePeer(std::string answer, Then then = Then::hang_up)
      : answer_(std::move(answer)), then_(then) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      throw std::runtime_error("no port to listen on");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread{[this] { serve(); }};
  }
  ~FakePeer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  FakePeer(const FakePeer&) = delete;
  FakePeer& operator=(const FakePeer&) = delete;

  /// Whether a connection ended by a reset, which drops what was under way.
  [[nodiscard]] bool saw_reset() const { return saw_reset_; }
  [[nodiscard]] std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

 private:
  void serve() {
    for (;;) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      char heard[4096];
      if (::recv(connection, heard, sizeof heard, 0) > 0) {
        ::send(connection, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        if (then_ == Then::wait) {
          ssize_t size = 0;
          while ((size = ::recv(connection, heard, sizeof heard, 0)) > 0) {
          }
          if (size < 0 && errno == ECONNRESET) saw_reset_ = true;
        }
      }
      ::close(connection);
    }
  }

  const std::string answer_;
  const Then then_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::atomic<bool> saw_reset_ = false;
  std::thread thread_;
};

}  // namespace dlock::test
