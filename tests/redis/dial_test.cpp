// Dialling: the addresses of a host one after the other, within a time.
#include "redis/dial.hpp"

#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "dlock/error.hpp"
#include "runtime/descriptor.hpp"

namespace dlock::redis {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

sockaddr* generic(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

// A port of this machine that takes connections, refuses them, or does not answer.
class Port {
 public:
  enum class Kind { takes, refuses, silent };

  explicit Port(Kind kind) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    EXPECT_EQ(::bind(fd_, generic(address_), size), 0);
    EXPECT_EQ(::getsockname(fd_, generic(address_), &size), 0);
    if (kind == Kind::refuses) return;
    EXPECT_EQ(::listen(fd_, kind == Kind::silent ? 0 : 16), 0);
    if (kind == Kind::silent) fill_queue();
  }
  ~Port() {
    ::close(fd_);
    for (const int fd : fillers_) ::close(fd);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  addrinfo entry(addrinfo* next = nullptr) {
    addrinfo info{};
    info.ai_family = AF_INET;
    info.ai_addr = generic(address_);
    info.ai_addrlen = sizeof address_;
    info.ai_next = next;
    return info;
  }
  [[nodiscard]] in_port_t number() const { return address_.sin_port; }

 private:
  // Nobody accepts: when the queue is full the next to connect hears nothing.
  void fill_queue() {
    for (;;) {
      fillers_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      (void)::connect(fillers_.back(), generic(address_), sizeof address_);
      pollfd entry{fillers_.back(), POLLOUT, 0};
      if (::poll(&entry, 1, 50) == 0) return;
    }
  }

  const int fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address_{};
  std::vector<int> fillers_;
};

in_port_t peer_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getpeername(fd, generic(address), &size), 0);
  ::close(fd);
  return address.sin_port;
}

TEST(Dial, GoesOnToTheNextAddressWhenOneRefuses) {
  Port refusing{Port::Kind::refuses};
  Port taking{Port::Kind::takes};
  auto second = taking.entry();
  const auto first = refusing.entry(&second);
  EXPECT_EQ(peer_of(dial_first(&first, steady_clock::now() + 10s)), taking.number());
}

TEST(Dial, TakesTheFirstThatTakesTheConnection) {
  Port one{Port::Kind::takes};
  Port other{Port::Kind::takes};
  auto second = other.entry();
  const auto first = one.entry(&second);
  EXPECT_EQ(peer_of(dial_first(&first, steady_clock::now() + 10s)), one.number());
}

TEST(Dial, TheSystemKeepsIdleConnectionsAlive) {
  Port taking{Port::Kind::takes};
  const auto only = taking.entry();
  const runtime::Descriptor socket{dial_first(&only, steady_clock::now() + 10s)};
  int is_on = 0;
  socklen_t size = sizeof is_on;
  ASSERT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &is_on, &size), 0);
  EXPECT_EQ(is_on, 1);
}

TEST(Dial, ASilentAddressTakesOnlyItsShareOfTheTime) {
  Port silent{Port::Kind::silent};
  Port taking{Port::Kind::takes};
  auto second = taking.entry();
  const auto first = silent.entry(&second);
  EXPECT_EQ(peer_of(dial_first(&first, steady_clock::now() + 400ms)), taking.number());
}

TEST(Dial, GivesUpInTime) {
  Port silent{Port::Kind::silent};
  const auto only = silent.entry();
  const auto start = steady_clock::now();
  EXPECT_THROW((void)dial_first(&only, start + 50ms), Unreachable);
  EXPECT_GE(steady_clock::now() - start, 50ms);
  EXPECT_LT(steady_clock::now() - start, 10s);
}

TEST(Dial, LeavesNoDescriptorBehindWhenItFails) {
  Port refusing{Port::Kind::refuses};
  auto second = refusing.entry();
  const auto first = refusing.entry(&second);
  const int before = ::dup(0);
  ::close(before);
  EXPECT_THROW((void)dial_first(&first, steady_clock::now() + 10s), Unreachable);
  EXPECT_THROW((void)dial_unix("/no/such/" + std::string(200, 'x'), steady_clock::now() + 10s),
               Unreachable);
  const int after = ::dup(0);
  ::close(after);
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace dlock::redis
