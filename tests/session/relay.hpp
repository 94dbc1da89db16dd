// Relay: a way to the server that can keep back what was sent, and deliver it late.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace dlock::test {

/// Listens on a free port and passes everything on to the server's and back. Thread-safe.
class Relay {
 public:
  explicit Relay(int server_port) : server_(address_of(server_port)) {
    auto address = address_of(0);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      throw std::runtime_error("no port to listen on");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread{[this](const std::stop_token& stop) {
      while (!stop.stop_requested()) pass_on();
    }};
  }
  ~Relay() {
    thread_.request_stop();
    thread_.join();
    for (auto& pair : pairs_) close(pair);
    ::close(listener_);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] int port() const noexcept { return port_; }

  /// From now on the present connections are half open: what is sent on them is kept back, also
  /// when the sender hangs up. Those that are made later are not.
  void hold() {
    const std::lock_guard lock{mutex_};
    for (auto& pair : pairs_) pair.held = true;
  }
  /// From now on nobody answers who connects; the present connections go on.
  void accept_no_more() { accepts_ = false; }
  /// Whether somebody has connected since.
  [[nodiscard]] bool has_caller() const {
    pollfd acceptable{listener_, POLLIN, 0};
    return !accepts_ && ::poll(&acceptable, 1, 0) > 0;
  }
  [[nodiscard]] bool has_kept() {
    const std::lock_guard lock{mutex_};
    return std::any_of(pairs_.begin(), pairs_.end(), [](auto& pair) { return !pair.kept.empty(); });
  }
  /// Delivers it. What the server answers: nothing if it had closed the connection.
  std::string let_go() {
    const std::lock_guard lock{mutex_};
    std::string answer;
    for (auto& pair : pairs_) {
      if (pair.held) {
        send(pair.server, std::exchange(pair.kept, {}));
        pollfd readable{pair.server, POLLIN, 0};
        ::poll(&readable, 1, 20'000);
        answer += receive(pair.server);
      }
    }
    return answer;
  }

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool held = false;
    std::string kept;
  };

  static sockaddr_in address_of(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
  }
  static std::string receive(int socket) {
    char bytes[4096];
    const auto size = ::recv(socket, bytes, sizeof bytes, 0);
    return {bytes, size > 0 ? static_cast<std::size_t>(size) : 0};
  }
  static void send(int socket, const std::string& bytes) {
    ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  static void close(int& socket) {
    if (socket >= 0) ::close(std::exchange(socket, -1));
  }
  static void close(Pair& pair) {
    close(pair.client);
    close(pair.server);
  }

  void pass_on() {
    std::vector<pollfd> sockets{{accepts_ ? listener_ : -1, POLLIN, 0}};
    {
      const std::lock_guard lock{mutex_};
      for (const auto& pair : pairs_) {
        sockets.push_back({pair.client, POLLIN, 0});
        sockets.push_back({pair.held ? -1 : pair.server, POLLIN, 0});
      }
    }
    if (::poll(sockets.data(), sockets.size(), 10) <= 0) return;
    const std::lock_guard lock{mutex_};
    for (std::size_t i = 1; i < sockets.size(); i += 2) {
      auto& pair = pairs_[i / 2];
      if (sockets[i].revents != 0) from_client(pair);
      if (sockets[i + 1].revents != 0 && !pair.held) from_server(pair);
    }
    if (sockets[0].revents != 0 && accepts_) accept();
  }
  void accept() {
    auto& pair = pairs_.emplace_back();
    pair.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    pair.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(pair.server, reinterpret_cast<const sockaddr*>(&server_), sizeof server_) != 0) {
      close(pair);
    }
  }
  static void from_client(Pair& pair) {
    const auto bytes = receive(pair.client);
    if (bytes.empty()) {
      pair.held ? close(pair.client) : close(pair);
    } else if (pair.held) {
      pair.kept += bytes;
    } else {
      send(pair.server, bytes);
    }
  }
  static void from_server(Pair& pair) {
    const auto bytes = receive(pair.server);
    bytes.empty() ? close(pair) : send(pair.client, bytes);
  }

  const sockaddr_in server_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::atomic<bool> accepts_{true};
  std::mutex mutex_;
  std::deque<Pair> pairs_;
  std::jthread thread_;
};

}  // namespace dlock::test
