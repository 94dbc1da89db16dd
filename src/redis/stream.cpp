// A socket to a server: encodes, writes, reads.
#include "redis/stream.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

namespace dlock::redis {
namespace {

constexpr std::size_t read_size = 16 * 1024;  // a record of TLS is not longer

using Outcome = TlsStream::Outcome;

Outcome outcome_of(ssize_t result, std::size_t& count) {
  if (result >= 0) {
    count = static_cast<std::size_t>(result);
    return Outcome::done;
  }
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Outcome::later
                                                                   : Outcome::broken;
}

constexpr std::size_t max_head = 24;  // a letter, digits, and twice the end of a line

// These write, and return where the next bytes go.
char* put_bytes(char* to, std::string_view bytes) {
  std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

char* put_head(char* to, char kind, std::size_t count) {
  *to++ = kind;
  if (count < 100) {  // nearly all
    if (count >= 10) *to++ = static_cast<char>('0' + count / 10);
    *to++ = static_cast<char>('0' + count % 10);
  } else {
    to = std::to_chars(to, to + max_head, count).ptr;
  }
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

char* put_field(char* to, std::string_view field) {
  to = put_bytes(put_head(to, '$', field.size()), field);
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

}  // namespace

void encode(Buffer& output, std::span<const std::string_view> fields) {
  std::size_t room = max_head;
  for (const auto field : fields) room += max_head + field.size();
  char* const begin = output.room(room);
  char* out = put_head(begin, '*', fields.size());
  for (const auto field : fields) out = put_field(out, field);
  output.add(static_cast<std::size_t>(out - begin));
}

void encode(Buffer& output, std::initializer_list<Connection::Piece> pieces) {
  std::size_t room = 0;
  for (const auto& piece : pieces) room += max_head + piece.bytes.size();
  char* const begin = output.room(room);
  char* out = begin;
  for (const auto& piece : pieces) {
    out = piece.is_field ? put_field(out, piece.bytes) : put_bytes(out, piece.bytes);
  }
  output.add(static_cast<std::size_t>(out - begin));
}

Stream::Stream(int fd, const Endpoint& endpoint, Deadline deadline) : socket_(fd) {
  if (endpoint.tls) tls_ = std::make_unique<TlsStream>(fd, endpoint, deadline);
}

bool Stream::is_usable() {
  if (problem_.empty() && !socket_) problem_ = "the connection is closed";
  return problem_.empty();
}

// Always false, so that callers can return it.
bool Stream::note(Outcome outcome) {
  if (outcome == Outcome::ended) {
    problem_ = "the server closed the connection";
  } else {
    problem_ = tls_ ? tls_->problem() : std::generic_category().message(errno);
  }
  return false;
}

bool Stream::has_input() const {
  pollfd entry{socket_.get(), POLLIN, 0};
  return socket_ && ::poll(&entry, 1, 0) > 0;
}

bool Stream::flush() {
  if (!is_usable()) return false;
  while (!output_.empty()) {  // TLS takes a record at a time
    const auto bytes = output_.bytes();
    std::size_t count = 0;
    // Without MSG_NOSIGNAL a server that went away would end the program by SIGPIPE.
    const auto outcome =
        tls_ ? tls_->write(bytes.data(), bytes.size(), count)
             : outcome_of(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), count);
    if (outcome == Outcome::later) return true;
    if (outcome != Outcome::done) return note(outcome);
    output_.take(count);
    traffic_->sent += count;
  }
  return true;
}

bool Stream::read() {
  read_was_full_ = false;
  if (!is_usable()) return false;
  char* const into = reader_.room(read_size);
  std::size_t count = 0;
  auto outcome = tls_ ? tls_->read(into, read_size, count)
                      : outcome_of(::recv(socket_.get(), into, read_size, 0), count);
  if (outcome == Outcome::later) return true;
  if (outcome == Outcome::done && count == 0) outcome = Outcome::ended;
  if (outcome != Outcome::done) return note(outcome);
  reader_.add(count);
  traffic_->received += count;
  read_was_full_ = count == read_size;
  return true;
}

std::optional<resp3::Value> Stream::next() {
  if (!socket_) return std::nullopt;
  auto value = reader_.next();
  if (!value && problem_.empty()) problem_ = reader_.problem();
  return value;
}

bool Stream::wait(Deadline deadline) {
  const short events = output_.empty() ? POLLIN : POLLIN | POLLOUT;
  const bool is_ready = wait_for(socket_.get(), events, deadline);
  if (!is_ready) problem_ = "the server did not answer in time";
  return is_ready;
}

void Stream::hang_up() noexcept {
  if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
}

void Stream::abort() noexcept {
  if (!socket_) return;
  const linger drop{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &drop, sizeof drop);
  place_ = {};
  socket_.reset();
}

}  // namespace dlock::redis
