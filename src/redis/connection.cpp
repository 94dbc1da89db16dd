// One connection to a Redis server: log in, send commands, take replies and pushes.
#include "redis/connection.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "redis/cluster.hpp"
#include "redis/dial.hpp"
#include "redis/incoming.hpp"
#include "redis/listener.hpp"
#include "redis/login.hpp"
#include "redis/resp3.hpp"
#include "redis/sentinel.hpp"
#include "redis/stream.hpp"

namespace dlock::redis {

using std::chrono::steady_clock;

struct Connection::Impl {
  Impl(int fd, const Endpoint& endpoint, Deadline deadline)
      : stream(fd, endpoint, deadline), where(endpoint.display()) {}
  static std::unique_ptr<Impl> open(const Settings& settings, Deadline deadline);
  static std::unique_ptr<Impl> open_first(const Settings& settings, Deadline deadline);
  void log_in(const Settings& settings, Deadline deadline);

  Buffer& room_for(std::size_t replies) {
    return listener ? listener->room_for(replies, stream.output()) : stream.output();
  }
  void append(std::span<const std::string_view> fields);
  bool flush();
  bool receive(Receiver& receiver);
  bool receive_from_both(Receiver& receiver);
  bool note_problem();
  Reply reply_by(Stream& from, std::optional<resp3::Value> reply) const;

  Stream stream;
  std::unique_ptr<Listener> listener;  // with RESP2
  std::string where;                   // the server's URL, for messages
  std::string problem;
  Greeting greeting;
  bool is_primary = true;
  bool has_plain_scripts = false;
  DeleteIfEqual delete_if_equal = DeleteIfEqual::none;
  std::optional<steady_clock::time_point> login_due;
  Credentials credentials;
  Endpoint::Address primary;
  // Other clients find a private server's socket by this when its directory is gone.
  runtime::Descriptor hold;
};

void Connection::Impl::log_in(const Settings& settings, Deadline deadline) {
  greeting = redis::log_in(stream, settings, deadline);
  is_primary = greeting.role.empty() || greeting.role == "master";
  delete_if_equal = delete_if_equal_of(greeting);
  if (greeting.speaks_resp2) {
    listener = std::make_unique<Listener>(dial_peer_of(stream.fd(), deadline), settings.endpoint,
                                          deadline);
    log_in_to_listen(listener->stream(), settings, deadline);
  }
}

void Connection::Impl::append(std::span<const std::string_view> fields) {
  if (!stream.is_open()) return;
  if (listener && Listener::takes(fields)) {
    listener->subscribe(fields);
  } else {
    encode(room_for(1), fields);
  }
}

// Always false, so that callers can return it.
bool Connection::Impl::note_problem() {
  if (problem.empty()) problem = stream.problem();
  if (problem.empty() && listener) problem = listener->stream().problem();
  return false;
}

bool Connection::Impl::flush() {
  const bool flushed = stream.flush() && (!listener || listener->stream().flush());
  return flushed || note_problem();
}

bool Connection::Impl::receive(Receiver& receiver) {
  if (listener) return receive_from_both(receiver);
  do {
    stream.read();
    // Delivers the input from before the end: a reply may be in it.
    for (;;) {
      if (const auto likely = receiver.likely(); !likely.empty() && stream.skip(likely)) {
        receiver.on_likely();
        continue;
      }
      const auto value = stream.next();
      if (!value) break;
      deliver(*value, receiver);
    }
    if (!stream.is_usable()) return note_problem();
  } while (stream.may_have_more());
  return true;
}

bool Connection::Impl::receive_from_both(Receiver& receiver) {
  auto& messages = listener->stream();
  do {
    stream.read();
    messages.read();
    listener->deliver_messages(receiver);
    do {
      while (listener->is_turn_of_other()) {
        const auto value = stream.next();
        if (!value) break;
        listener->on_reply_of_other();
        deliver(*value, receiver);
      }
    } while (listener->deliver_answer(receiver));
    if (listener->release(stream.output())) stream.flush();
    if (!stream.is_usable() || !messages.is_usable()) return note_problem();
  } while (stream.may_have_more() || messages.may_have_more());
  return true;
}

std::unique_ptr<Connection::Impl> Connection::Impl::open(const Settings& settings,
                                                         Deadline deadline) {
  const auto& endpoint = settings.endpoint;
  const auto ask = settings.to_sentinel ? CredentialsFunction{} : settings.credentials;
  const auto log_in_with = [&](auto dial) {
    auto given = settings;
    std::optional<steady_clock::time_point> due;
    if (ask) {
      const auto credentials = ask_for_credentials(ask);
      given.endpoint.user = credentials.user;
      given.endpoint.password = credentials.password;
      due = redis::login_due(credentials);
    }
    auto impl = std::make_unique<Impl>(dial(), endpoint, deadline);
    impl->log_in(given, deadline);
    impl->login_due = due;
    impl->credentials = {given.endpoint.user, given.endpoint.password, {}};
    return impl;
  };
  // Credentials may change between the question and the log-in.
  const auto log_in_on = [&](auto dial) {
    for (bool again = static_cast<bool>(ask);; again = false) {
      try {
        return log_in_with(dial);
      } catch (const Refused& error) {
        if (!ask) throw;
        if (!again) throw Unreachable(errc::unreachable, error.what());
      }
    }
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
    return log_in_on([&] { return dial_tcp(endpoint.host, endpoint.port, deadline); });
  }
  if (endpoint.kind == Endpoint::Kind::unix_socket) {
    return log_in_on([&] { return dial_unix(endpoint.path, deadline); });
  }
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    auto socket = settings.find_local(endpoint.path, left);
    try {
      auto impl = log_in_on([&] { return dial_unix(socket.path, deadline); });
      impl->hold = std::move(socket.hold);
      return impl;
    } catch (const Unreachable&) {
      if (steady_clock::now() >= deadline) throw;
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds{1});  // it is dying: let it, and look again
  }
}

Reply Connection::Impl::reply_by(Stream& from, std::optional<resp3::Value> reply) const {
  if (!reply) throw Unreachable(errc::unreachable, where + ": " + from.problem());
  return tree_of(*reply);
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

void Connection::show_in(const std::shared_ptr<runtime::ReadySockets>& set, std::uint64_t number) {
  impl_->stream.show_in(set, number);
  if (impl_->listener) impl_->listener->stream().show_in(set, number);
}

int Connection::fd() const noexcept { return impl_->stream.fd(); }

int Connection::listener_fd() const noexcept {
  return impl_->listener ? impl_->listener->stream().fd() : -1;
}

std::int64_t Connection::id() const noexcept { return impl_->greeting.id; }

const std::string& Connection::run_id() const noexcept { return impl_->greeting.run_id; }

bool Connection::has_slots() const noexcept { return impl_->greeting.has_slots; }

bool Connection::tells_changes() const noexcept { return !impl_->listener; }

bool Connection::is_logged_in_with(const Credentials& credentials) const noexcept {
  const auto& given = impl_->credentials;
  return given.user == credentials.user && given.password == credentials.password;
}

std::optional<steady_clock::time_point> Connection::login_due() const noexcept {
  return impl_->login_due;
}

DeleteIfEqual Connection::delete_if_equal() const noexcept { return impl_->delete_if_equal; }

void Connection::forget_delete_if_equal() noexcept { impl_->delete_if_equal = DeleteIfEqual::none; }

std::string_view Connection::word_for(const script::Script& script, bool whole) const noexcept {
  if (impl_->has_plain_scripts) return whole ? script.plain() : script.plain_sha;
  return whole ? script.text : script.sha;
}

bool Connection::has_plain_scripts() const noexcept { return impl_->has_plain_scripts; }

bool Connection::lacks_script(std::string_view error, bool was_plain) noexcept {
  if (error.starts_with("NOSCRIPT")) return true;
  if (was_plain || !is_of_first_line(error)) return false;
  impl_->has_plain_scripts = true;
  return true;
}

void Connection::count_in(Traffic& traffic) noexcept {
  impl_->stream.count_in(traffic);
  if (impl_->listener) impl_->listener->stream().count_in(traffic);
}

const Endpoint::Address& Connection::primary() const noexcept { return impl_->primary; }

void Connection::append(std::span<const std::string_view> fields) { impl_->append(fields); }

void Connection::append_pieces(std::initializer_list<Piece> pieces, std::size_t replies) {
  if (impl_->stream.is_open()) encode(impl_->room_for(replies), pieces);
}

bool Connection::flush() { return impl_->flush(); }

bool Connection::wants_write() const noexcept {
  return impl_->problem.empty() && (impl_->stream.wants_write() || listener_wants_write());
}

bool Connection::listener_wants_write() const noexcept {
  return impl_->listener && impl_->listener->stream().wants_write();
}

bool Connection::receive(Receiver& receiver) { return impl_->receive(receiver); }

const std::string& Connection::problem() const noexcept { return impl_->problem; }

Reply Connection::call(std::span<const std::string_view> fields,
                       std::chrono::milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  if (impl_->listener && Listener::takes(fields)) {
    auto& listener = *impl_->listener;
    return impl_->reply_by(listener.stream(), listener.call(fields, deadline));
  }
  auto& stream = impl_->stream;
  if (stream.is_open()) encode(stream.output(), fields);
  return impl_->reply_by(stream, stream.await(is_reply, deadline));
}

std::vector<Reply> Connection::call_all(const std::vector<std::vector<std::string>>& commands,
                                        std::chrono::milliseconds timeout) {
  auto& stream = impl_->stream;
  for (const auto& fields : commands) {
    encode(stream.output(), std::vector<std::string_view>{fields.begin(), fields.end()});
  }
  const auto deadline = steady_clock::now() + timeout;
  std::vector<Reply> replies;
  while (replies.size() < commands.size()) {
    replies.push_back(impl_->reply_by(stream, stream.await(is_reply, deadline)));
  }
  return replies;
}

void Connection::hang_up() noexcept {
  impl_->stream.hang_up();
  if (impl_->listener) impl_->listener->stream().hang_up();
}

void Connection::abort() noexcept {
  impl_->stream.abort();
  if (impl_->listener) impl_->listener->stream().abort();
}

}  // namespace dlock::redis
