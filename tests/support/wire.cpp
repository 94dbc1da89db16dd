// A blocking connection to a server: commands out, values in, and nothing else.
#include "support/wire.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace dlock::test {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(std::string{what} + ": " + std::generic_category().message(errno));
}

}  // namespace

Wire::Wire(const std::string& unix_socket, std::chrono::seconds limit) {
  sockaddr_un address{};
  if (unix_socket.size() >= sizeof address.sun_path) throw std::runtime_error("too long a path");
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, unix_socket.data(), unix_socket.size());
  connect(&address, sizeof address, limit);
}

Wire::Wire(int port, std::chrono::seconds limit) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connect(&address, sizeof address, limit);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Wire::~Wire() { ::close(fd_); }

void Wire::connect(const void* address, std::size_t size, std::chrono::seconds limit) {
  const auto* generic = static_cast<const sockaddr*>(address);
  fd_ = ::socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) fail("socket");
  const timeval silence{limit.count(), 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
  if (::connect(fd_, generic, static_cast<socklen_t>(size)) != 0) {
    const int problem = errno;
    ::close(fd_);
    errno = problem;
    fail("cannot connect");
  }
}

void Wire::append(std::span<const std::string_view> fields) {
  output_ += '*' + std::to_string(fields.size()) + "\r\n";
  for (const auto field : fields) {
    output_ += '$' + std::to_string(field.size()) + "\r\n";
    output_.append(field) += "\r\n";
  }
}

redis::resp3::Value Wire::read() {
  write();
  for (;;) {
    if (const auto value = reader_.next()) return *value;
    if (!reader_.problem().empty()) throw std::runtime_error(reader_.problem());
    constexpr std::size_t most = 16 * 1024;
    const auto got = ::recv(fd_, reader_.room(most), most, 0);
    if (got == 0) throw std::runtime_error("no reply: the server closed the connection");
    if (got < 0 && errno != EINTR) fail("no reply");
    if (got > 0) reader_.add(static_cast<std::size_t>(got));
  }
}

void Wire::write() {
  for (std::string_view left = output_; !left.empty();) {
    const auto sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) fail("cannot send");
    if (sent > 0) left.remove_prefix(static_cast<std::size_t>(sent));
  }
  output_.clear();
}

}  // namespace dlock::test
