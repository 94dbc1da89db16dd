// One connection to a Redis server: log in, send commands, take replies and pushes.
#include "redis/connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "redis/buffer.hpp"
#include "redis/cluster.hpp"
#include "redis/dial.hpp"
#include "redis/incoming.hpp"
#include "redis/login.hpp"
#include "redis/resp3.hpp"
#include "redis/sentinel.hpp"
#include "redis/tls.hpp"

namespace dlock::redis {
namespace {

using std::chrono::steady_clock;

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

// With TLS 1.3 a server refuses a client's certificate after the handshake, and its alert may be
// lost.
std::string advice(const std::optional<Tls>& tls) {
  if (!tls) return "check that the URL leads to a Redis server, and not to its TLS port";
  return tls->certificate.empty() ? "the server may want a client certificate: add "
                                    "?cert=/path/client.crt&key=/path/client.key"
                                  : "check that the server accepts the client certificate";
}

constexpr std::size_t max_head = 24;  // a letter, digits, and twice the end of a line

// These write, and return where the next bytes go.
char* put_bytes(char* to, std::string_view bytes) {
  std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

char* put_head(char* to, char kind, std::size_t count) {
  *to++ = kind;
  to = std::to_chars(to, to + max_head, count).ptr;
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

struct Connection::Impl {
  explicit Impl(int fd) : socket(fd) {}
  static std::unique_ptr<Impl> open(const Settings& settings, Deadline deadline);
  static std::unique_ptr<Impl> open_first(const Settings& settings, Deadline deadline);
  void append(std::span<const std::string_view> fields);
  void append_pieces(std::initializer_list<Piece> pieces);
  bool flush();
  bool read();
  std::optional<resp3::Value> next();
  std::optional<resp3::Value> await_reply(Deadline deadline);
  Reply reply_by(Deadline deadline);
  std::optional<resp3::Value> last_words();
  bool is_usable();
  bool note_problem(Outcome outcome);
  void log_in(const Settings& settings, Deadline deadline);

  runtime::Descriptor socket;
  std::unique_ptr<TlsStream> tls;
  Buffer output;
  resp3::Reader reader;
  std::string where;  // the server's URL, for messages
  std::string problem;
  std::int64_t id = 0;
  bool is_primary = true;
  bool speaks_resp3 = false;
  DeleteIfEqual delete_if_equal = DeleteIfEqual::none;
  Endpoint::Address primary;
  bool read_was_full = false;
  Traffic own_traffic;
  Traffic* traffic = &own_traffic;
  // Other clients find a private server's socket by this when its directory is gone.
  runtime::Descriptor hold;
};

bool Connection::Impl::is_usable() {
  if (problem.empty() && !socket) problem = "the connection is closed";
  return problem.empty();
}

// Always false, so that callers can return it.
bool Connection::Impl::note_problem(Outcome outcome) {
  if (outcome == Outcome::ended) {
    problem = "the server closed the connection";
  } else {
    problem = tls ? tls->problem() : std::generic_category().message(errno);
  }
  return false;
}

void Connection::Impl::append(std::span<const std::string_view> fields) {
  if (!socket) return;
  std::size_t room = max_head;
  for (const auto field : fields) room += max_head + field.size();
  char* const begin = output.room(room);
  char* out = put_head(begin, '*', fields.size());
  for (const auto field : fields) out = put_field(out, field);
  output.add(static_cast<std::size_t>(out - begin));
}

void Connection::Impl::append_pieces(std::initializer_list<Piece> pieces) {
  if (!socket) return;
  std::size_t room = 0;
  for (const auto& piece : pieces) room += max_head + piece.bytes.size();
  char* const begin = output.room(room);
  char* out = begin;
  for (const auto& piece : pieces) {
    out = piece.is_field ? put_field(out, piece.bytes) : put_bytes(out, piece.bytes);
  }
  output.add(static_cast<std::size_t>(out - begin));
}

bool Connection::Impl::flush() {
  if (!is_usable()) return false;
  while (!output.empty()) {  // TLS takes a record at a time
    const auto bytes = output.bytes();
    std::size_t count = 0;
    // Without MSG_NOSIGNAL a server that went away would end the program by SIGPIPE.
    const auto outcome =
        tls ? tls->write(bytes.data(), bytes.size(), count)
            : outcome_of(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), count);
    if (outcome == Outcome::later) return true;
    if (outcome != Outcome::done) return note_problem(outcome);
    output.take(count);
    traffic->sent += count;
  }
  return true;
}

bool Connection::Impl::read() {
  read_was_full = false;
  if (!is_usable()) return false;
  char* const into = reader.room(read_size);
  std::size_t count = 0;
  auto outcome = tls ? tls->read(into, read_size, count)
                     : outcome_of(::recv(socket.get(), into, read_size, 0), count);
  if (outcome == Outcome::later) return true;
  if (outcome == Outcome::done && count == 0) outcome = Outcome::ended;
  if (outcome != Outcome::done) return note_problem(outcome);
  reader.add(count);
  traffic->received += count;
  read_was_full = count == read_size;
  return true;
}

// The next whole reply or push that was read; none: see problem, or read more.
std::optional<resp3::Value> Connection::Impl::next() {
  if (!socket) return std::nullopt;
  auto value = reader.next();
  if (!value && problem.empty()) problem = reader.problem();
  return value;
}

// The reply to the oldest command; none: see problem.
std::optional<resp3::Value> Connection::Impl::await_reply(Deadline deadline) {
  for (;;) {
    while (const auto value = next()) {
      if (is_reply(*value)) return value;
    }
    if (!problem.empty()) return std::nullopt;
    if (!flush()) return last_words();
    const short events = output.empty() ? POLLIN : POLLIN | POLLOUT;
    if (!wait_for(socket.get(), events, deadline)) {
      problem = "the server did not answer in time";
      return std::nullopt;
    }
    if (!read()) return std::nullopt;
  }
}

Reply Connection::Impl::reply_by(Deadline deadline) {
  const auto reply = await_reply(deadline);
  if (!reply) throw Unreachable(errc::unreachable, where + ": " + problem);
  return tree_of(*reply);
}

// A server that refuses a client ("max number of clients reached") says so and closes at once: the
// client's write fails while the error waits to be read.
std::optional<resp3::Value> Connection::Impl::last_words() {
  const auto why = std::exchange(problem, {});
  std::optional<resp3::Value> value;
  if (read()) value = next();
  problem = why;
  if (value && !is_reply(*value)) value.reset();
  return value;
}

void Connection::Impl::log_in(const Settings& settings, Deadline deadline) {
  const auto commands = login_commands(settings.endpoint, settings.client_name);
  for (const auto& fields : commands) {
    append(std::vector<std::string_view>{fields.begin(), fields.end()});
  }
  for (const auto& command : commands) {
    const auto reply = await_reply(deadline);
    if (!reply) {
      throw Unreachable(errc::unreachable,
                        problem + " during log-in; " + advice(settings.endpoint.tls));
    }
    if (reply->is_error()) {
      throw_login_error(settings.endpoint, command[0], reply->text());
    }
    if (command[0] == "HELLO") {
      const auto greeting = read_greeting(tree_of(*reply));
      settings.to_sentinel ? check_sentinel(greeting)
                           : check_greeting(greeting, settings.endpoint.kind);
      id = greeting.id;
      is_primary = greeting.role == "master";
      speaks_resp3 = reply->type() == resp3::Type::map;  // an array in RESP2
      delete_if_equal = delete_if_equal_of(greeting);
    }
  }
}

std::unique_ptr<Connection::Impl> Connection::Impl::open(const Settings& settings,
                                                         Deadline deadline) {
  const auto& endpoint = settings.endpoint;
  const auto log_in_on = [&](int fd) {
    auto impl = std::make_unique<Impl>(fd);
    impl->where = endpoint.display();
    if (endpoint.tls) impl->tls = std::make_unique<TlsStream>(fd, endpoint, deadline);
    impl->log_in(settings, deadline);
    return impl;
  };
  const auto open_at = [&](const Endpoint::Address& address, Endpoint::Kind kind) {
    auto there = settings;
    there.endpoint = endpoint.at(address, kind);
    return open(there, deadline);
  };
  if (endpoint.kind == Endpoint::Kind::sentinel) {
    const auto primary = Sentinels{settings}.primary(deadline);
    try {
      auto impl = open_at(primary, Endpoint::Kind::tcp);
      if (!impl->is_primary) {
        throw Unreachable(errc::unreachable, "it is a replica; a failover may be under way");
      }
      impl->primary = primary;
      return impl;
    } catch (const Unreachable& error) {
      throw Unreachable(errc::unreachable, "the primary that the Sentinels name, " + primary.host +
                                               ":" + std::to_string(primary.port) + ": " +
                                               error.what());
    }
  }
  if (endpoint.kind == Endpoint::Kind::cluster) {
    return open_at(find_primary(settings, deadline), Endpoint::Kind::cluster_node);
  }
  if (endpoint.kind == Endpoint::Kind::quorum) {
    return open_first(settings, deadline);
  }
  if (endpoint.kind == Endpoint::Kind::tcp || endpoint.kind == Endpoint::Kind::cluster_node) {
    return log_in_on(dial_tcp(endpoint.host, endpoint.port, deadline));
  }
  if (endpoint.kind == Endpoint::Kind::unix_socket) {
    return log_in_on(dial_unix(endpoint.path, deadline));
  }
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    auto socket = settings.find_local(endpoint.path, left);
    try {
      auto impl = log_in_on(dial_unix(socket.path, deadline));
      impl->hold = std::move(socket.hold);
      return impl;
    } catch (const Unreachable&) {
      if (steady_clock::now() >= deadline) throw;
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds{1});  // it is dying: let it, and look again
  }
}

// Any of a quorum's servers.
std::unique_ptr<Connection::Impl> Connection::Impl::open_first(const Settings& settings,
                                                               Deadline deadline) {
  auto left = static_cast<int>(settings.endpoint.addresses.size());
  std::string problem;
  for (const auto& address : settings.endpoint.addresses) {
    auto there = settings;
    there.endpoint = settings.endpoint.at(address);
    const auto now = steady_clock::now();
    try {
      return open(there, now + (deadline - now) / left--);
    } catch (const Unreachable& error) {
      problem = there.endpoint.display() + ": " + error.what();
    }
  }
  throw Unreachable(errc::unreachable, "none of the servers answers; the last error: " + problem);
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

std::unique_ptr<Connection> Connection::open(const Settings& settings) {
  try {
    auto impl = Impl::open(settings, steady_clock::now() + settings.connect_timeout);
    return std::unique_ptr<Connection>(new Connection(std::move(impl)));
  } catch (const UnknownHost& error) {
    throw UnknownHost{errc::unreachable, settings.endpoint.display() + ": " + error.what()};
  } catch (const Error& error) {
    // Every message says which store it is about.
    throw_error(error.reason(), settings.endpoint.display() + ": " + error.what());
  }
}

int Connection::fd() const noexcept { return impl_->socket.get(); }

std::int64_t Connection::id() const noexcept { return impl_->id; }

bool Connection::tells_changes() const noexcept { return impl_->speaks_resp3; }

DeleteIfEqual Connection::delete_if_equal() const noexcept { return impl_->delete_if_equal; }

void Connection::forget_delete_if_equal() noexcept { impl_->delete_if_equal = DeleteIfEqual::none; }

void Connection::count_in(Traffic& traffic) noexcept { impl_->traffic = &traffic; }

const Endpoint::Address& Connection::primary() const noexcept { return impl_->primary; }

void Connection::append(std::span<const std::string_view> fields) { impl_->append(fields); }

void Connection::append_pieces(std::initializer_list<Piece> pieces) {
  impl_->append_pieces(pieces);
}

bool Connection::flush() { return impl_->flush(); }

bool Connection::wants_write() const noexcept {
  return impl_->socket && impl_->problem.empty() && !impl_->output.empty();
}

bool Connection::receive(Receiver& receiver) {
  do {
    impl_->read();
    // Delivers the input from before the end: a reply may be in it.
    for (;;) {
      if (const auto likely = receiver.likely();
          !likely.empty() && impl_->socket && impl_->reader.skip(likely)) {
        receiver.on_likely();
        continue;
      }
      const auto value = impl_->next();
      if (!value) break;
      deliver(*value, receiver);
    }
    if (!impl_->is_usable()) return false;
  } while (impl_->read_was_full);
  return true;
}

const std::string& Connection::problem() const noexcept { return impl_->problem; }

Reply Connection::call(std::span<const std::string_view> fields,
                       std::chrono::milliseconds timeout) {
  append(fields);
  return impl_->reply_by(steady_clock::now() + timeout);
}

std::vector<Reply> Connection::call_all(const std::vector<std::vector<std::string>>& commands,
                                        std::chrono::milliseconds timeout) {
  for (const auto& fields : commands) {
    append(std::vector<std::string_view>{fields.begin(), fields.end()});
  }
  const auto deadline = steady_clock::now() + timeout;
  std::vector<Reply> replies;
  while (replies.size() < commands.size()) replies.push_back(impl_->reply_by(deadline));
  return replies;
}

void Connection::hang_up() noexcept {
  if (impl_->socket) ::shutdown(impl_->socket.get(), SHUT_RDWR);
}

void Connection::abort() noexcept {
  if (!impl_->socket) return;
  const linger drop{1, 0};
  ::setsockopt(impl_->socket.get(), SOL_SOCKET, SO_LINGER, &drop, sizeof drop);
  impl_->socket.reset();
}

}  // namespace dlock::redis
