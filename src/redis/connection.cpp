// One connection to a Redis server: log in, send commands, take replies and pushes.
#include "redis/connection.hpp"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "redis/cancellation.hpp"
#include "redis/cluster.hpp"
#include "redis/descriptor.hpp"
#include "redis/dial.hpp"
#include "redis/local_server.hpp"
#include "redis/login.hpp"
#include "redis/raw_reply.hpp"
#include "redis/sentinel.hpp"
#include "redis/tls.hpp"

namespace dlock::redis {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t read_size = 16 * 1024;  // what hiredis reads at most in one call

struct FreeContext {
  void operator()(redisContext* context) const {
    const Cancellation none{PTHREAD_CANCEL_DISABLE};
    redisFree(context);
  }
};
// hiredis writes without MSG_NOSIGNAL: a server that went away would end the program by SIGPIPE.
ssize_t write_without_signal(redisContext* context) {
  const auto size = sdslen(context->obuf);
  const auto written = ::send(context->fd, context->obuf, size, MSG_NOSIGNAL);
  if (written >= 0) return written;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return 0;
  context->err = REDIS_ERR_IO;
  const auto why = std::generic_category().message(errno);
  context->errstr[why.copy(context->errstr, sizeof context->errstr - 1)] = '\0';
  return -1;
}

// With TLS 1.3 a server refuses a client's certificate after the handshake, and its words may be
// lost.
std::string advice(const std::optional<Tls>& tls) {
  if (!tls) return "check that the URL is a Redis server's, and not its TLS port's";
  return tls->certificate.empty() ? "the server may want a client certificate: "
                                    "?cert=/path/client.crt&key=/path/client.key"
                                  : "check that the server accepts our client certificate";
}

// What both ends of a TLS stream come to for hiredis.
ssize_t note_outcome(redisContext* context, TlsStream::Outcome outcome, std::size_t count) {
  switch (outcome) {
    case TlsStream::Outcome::done:
      return static_cast<ssize_t>(count);
    case TlsStream::Outcome::later:
      return 0;
    case TlsStream::Outcome::ended:
      context->err = REDIS_ERR_EOF;
      break;
    case TlsStream::Outcome::broken:
      context->err = REDIS_ERR_IO;
      break;
  }
  const auto& why = static_cast<TlsStream*>(context->privctx)->problem();
  context->errstr[why.copy(context->errstr, sizeof context->errstr - 1)] = '\0';
  return -1;
}

ssize_t write_encrypted(redisContext* context) {
  std::size_t count = 0;
  const auto outcome =
      static_cast<TlsStream*>(context->privctx)->write(context->obuf, sdslen(context->obuf), count);
  return note_outcome(context, outcome, count);
}

ssize_t read_encrypted(redisContext* context, char* into, std::size_t size) {
  std::size_t count = 0;
  const auto outcome = static_cast<TlsStream*>(context->privctx)->read(into, size, count);
  return note_outcome(context, outcome, count);
}

}  // namespace

struct Connection::Impl {
  explicit Impl(int fd);
  void encrypt(const Endpoint& endpoint, Deadline deadline);
  static std::unique_ptr<Impl> open(const Settings& settings, Deadline deadline);
  static std::unique_ptr<Impl> open_first(const Settings& settings, Deadline deadline);
  void append(std::span<const std::string_view> fields);
  bool flush();
  bool read();
  RawReply next();
  RawReply await_reply(Deadline deadline);
  Reply reply_by(Deadline deadline);
  RawReply last_words();
  bool note_problem();
  void log_in(const Settings& settings, Deadline deadline);

  std::unique_ptr<TlsStream> tls;
  redisContextFuncs functions{};
  std::unique_ptr<redisContext, FreeContext> context;
  std::vector<char> command;  // room for the one being appended
  std::string where;          // the server's URL, for messages
  std::string problem;
  std::int64_t id = 0;
  bool is_primary = true;
  Endpoint::Address primary;
  bool read_was_full = false;
  Descriptor hold;  // by which others find a private server's socket when its directory is gone
};

Connection::Impl::Impl(int fd) {
  redisOptions options{};
  options.type = REDIS_CONN_USERFD;
  options.endpoint.fd = fd;
  options.options = REDIS_OPT_NONBLOCK | REDIS_OPT_NO_PUSH_AUTOFREE;
  context.reset(redisConnectWithOptions(&options));
  if (context == nullptr) {
    ::close(fd);
    throw std::bad_alloc{};
  }
  functions = *context->funcs;
  functions.write = write_without_signal;
  context->funcs = &functions;
  limit_depth(*context->reader);
}

void Connection::Impl::encrypt(const Endpoint& endpoint, Deadline deadline) {
  tls = std::make_unique<TlsStream>(context->fd, endpoint, deadline);
  context->privctx = tls.get();
  functions.read = read_encrypted;
  functions.write = write_encrypted;
}

// Always false, so that callers can return it.
bool Connection::Impl::note_problem() {
  if (!problem.empty()) return false;
  const std::string why = context != nullptr ? context->errstr : "";
  if (context != nullptr && context->err == REDIS_ERR_EOF) {
    problem = "the server closed the connection";
  } else if (context != nullptr && context->err == REDIS_ERR_PROTOCOL) {
    problem = "what answers there does not speak Redis's protocol (" + why + ")";
  } else {
    problem = why.empty() ? "the connection is closed" : why;
  }
  return false;
}

// hiredis's own formatter takes a third of all instructions of an acquisition.
void Connection::Impl::append(std::span<const std::string_view> fields) {
  if (context == nullptr) return;
  constexpr std::size_t most_head = 24;  // a letter, digits, and twice the end of a line
  std::size_t room = most_head;
  for (const auto field : fields) room += most_head + field.size();
  if (command.size() < room) command.resize(room);
  char* out = command.data();
  const auto put_head = [&](char kind, std::size_t count) {
    *out++ = kind;
    out = std::to_chars(out, out + most_head, count).ptr;
    *out++ = '\r';
    *out++ = '\n';
  };
  put_head('*', fields.size());
  for (const auto field : fields) {
    put_head('$', field.size());
    out = std::copy(field.begin(), field.end(), out);
    *out++ = '\r';
    *out++ = '\n';
  }
  const auto length = static_cast<std::size_t>(out - command.data());
  if (redisAppendFormattedCommand(context.get(), command.data(), length) != REDIS_OK) {
    note_problem();
  }
}

bool Connection::Impl::flush() {
  if (context == nullptr || !problem.empty()) return note_problem();
  for (;;) {  // TLS takes a record at a time
    const auto before = sdslen(context->obuf);
    if (redisBufferWrite(context.get(), nullptr) != REDIS_OK) return note_problem();
    const auto left = sdslen(context->obuf);
    if (left == 0 || left == before) return true;
  }
}

bool Connection::Impl::read() {
  if (context == nullptr || !problem.empty()) return note_problem();
  const auto before = context->reader->len;
  if (redisBufferRead(context.get()) != REDIS_OK) return note_problem();
  read_was_full = context->reader->len - before >= read_size;
  return true;
}

// The next whole reply or push that was read; none: see problem, or read more.
RawReply Connection::Impl::next() {
  void* reply = nullptr;
  if (context == nullptr) return nullptr;
  if (redisGetReplyFromReader(context.get(), &reply) != REDIS_OK) note_problem();
  return RawReply{static_cast<redisReply*>(reply)};
}

// The reply to the oldest command; none: see problem.
RawReply Connection::Impl::await_reply(Deadline deadline) {
  for (;;) {
    while (auto reply = next()) {
      if (is_reply(*reply)) return reply;
    }
    if (!problem.empty()) return nullptr;
    if (!flush()) return last_words();
    const short events = sdslen(context->obuf) > 0 ? POLLIN | POLLOUT : POLLIN;
    if (!wait_for(context->fd, events, deadline)) {
      problem = "the server did not answer in time";
      return nullptr;
    }
    if (!read()) return nullptr;
  }
}

Reply Connection::Impl::reply_by(Deadline deadline) {
  const auto reply = await_reply(deadline);
  if (reply == nullptr) throw Unreachable(errc::unreachable, where + ": " + problem);
  return tree_of(*reply);
}

// A server that refuses us ("max number of clients reached") says so and closes at once: our write
// fails while its words wait to be read.
RawReply Connection::Impl::last_words() {
  if (context == nullptr) return nullptr;
  context->err = 0;
  const auto why = std::exchange(problem, {});
  RawReply reply;
  if (read()) reply = next();
  problem = why;
  return reply != nullptr && is_reply(*reply) ? std::move(reply) : nullptr;
}

void Connection::Impl::log_in(const Settings& settings, Deadline deadline) {
  const auto commands = login_commands(settings.endpoint, settings.client_name);
  for (const auto& fields : commands) {
    append(std::vector<std::string_view>{fields.begin(), fields.end()});
  }
  for (const auto& command : commands) {
    const auto reply = await_reply(deadline);
    if (reply == nullptr) {
      throw Unreachable(errc::unreachable,
                        problem + " during log-in; " + advice(settings.endpoint.tls));
    }
    if (reply->type == REDIS_REPLY_ERROR) {
      throw_login_error(settings.endpoint, command[0], text_of(*reply));
    }
    if (command[0] == "HELLO") {
      const auto greeting = read_greeting(tree_of(*reply));
      settings.to_sentinel ? check_sentinel(greeting)
                           : check_greeting(greeting, settings.endpoint.kind);
      id = greeting.id;
      is_primary = greeting.role == "master";
    }
  }
}

std::unique_ptr<Connection::Impl> Connection::Impl::open(const Settings& settings,
                                                         Deadline deadline) {
  const auto& endpoint = settings.endpoint;
  const auto log_in_on = [&](int fd) {
    auto impl = std::make_unique<Impl>(fd);
    impl->where = endpoint.display();
    if (endpoint.tls) impl->encrypt(endpoint, deadline);
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
                                               without_code(error));
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
    const auto socket = ensure_local_server(endpoint.path, left);
    try {
      Descriptor hold{::open(socket.c_str(), O_PATH | O_CLOEXEC)};
      auto impl = log_in_on(dial_unix(socket, deadline));
      impl->hold = std::move(hold);
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
      problem = there.endpoint.display() + ": " + without_code(error);
    }
  }
  throw Unreachable(errc::unreachable, "none of the servers answers; the last: " + problem);
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

std::unique_ptr<Connection> Connection::open(const Settings& settings) {
  try {
    auto impl = Impl::open(settings, steady_clock::now() + settings.connect_timeout);
    return std::unique_ptr<Connection>(new Connection(std::move(impl)));
  } catch (const Error& error) {
    // Every message says which store it is about.
    throw_error(error.reason(), settings.endpoint.display() + ": " + without_code(error));
  }
}

int Connection::fd() const noexcept { return impl_->context != nullptr ? impl_->context->fd : -1; }

std::int64_t Connection::id() const noexcept { return impl_->id; }

const Endpoint::Address& Connection::primary() const noexcept { return impl_->primary; }

void Connection::append(std::span<const std::string_view> fields) { impl_->append(fields); }

bool Connection::flush() { return impl_->flush(); }

bool Connection::wants_write() const noexcept {
  return impl_->context != nullptr && impl_->problem.empty() && sdslen(impl_->context->obuf) > 0;
}

bool Connection::receive(Receiver& receiver) {
  do {
    const bool alive = impl_->read();
    // What arrived before the end is delivered: a reply may be among it.
    while (const auto reply = impl_->next()) deliver(*reply, receiver);
    if (!alive || impl_->context == nullptr || !impl_->problem.empty()) {
      return impl_->note_problem();
    }
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
  if (impl_->context != nullptr) ::shutdown(impl_->context->fd, SHUT_RDWR);
}

void Connection::abort() noexcept {
  if (impl_->context == nullptr) return;
  const linger drop{1, 0};
  ::setsockopt(impl_->context->fd, SOL_SOCKET, SO_LINGER, &drop, sizeof drop);
  impl_->context.reset();
}

}  // namespace dlock::redis
