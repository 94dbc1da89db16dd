// Connections of a test: opening them, driving them, and writing down what they receive.
#pragma once

#include <poll.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection.hpp"

namespace dlock::redis {

inline Connection::Settings settings_for(const std::string& url) {
  return {parse_url(url), "dlock:0123", std::chrono::seconds{10}};
}

inline std::unique_ptr<Connection> connect(const std::string& url) {
  return Connection::open(settings_for(url));
}

/// How Redis 7 answers a log-in: to HELLO, and to the question for slots.
inline std::string greeting() { return "%1\r\n+version\r\n+7.0.0\r\n-NOSCRIPT no such script\r\n"; }

/// The URL with `user_info` in its place.
inline std::string with_user(std::string url, const std::string& user_info) {
  return url.insert(url.find("//") + 2, user_info + "@");
}

/// Writes down what it receives.
struct Recorder final : Receiver {
  void on_reply(const ReplyView& reply) override {
    const auto kind = reply.kind == ReplyView::Kind::error   ? "error "
                      : reply.kind == ReplyView::Kind::nil   ? "nil"
                      : reply.kind == ReplyView::Kind::other ? "other"
                                                             : "";
    events.push_back(kind + std::string{reply.text});
    ++replies;
  }
  void on_message(std::string_view channel, std::string_view payload) override {
    events.push_back(std::string{channel} + ">" + std::string{payload});
  }
  void on_unsubscribed(std::string_view /*channel*/) override {
    events.emplace_back("unsubscribed");
  }

  std::vector<std::string> events;
  std::size_t replies = 0;
};

inline void append(Connection& connection, std::initializer_list<std::string_view> fields) {
  connection.append(std::span{fields.begin(), fields.size()});
}

/// Writes and reads until `done` says so, or the connection breaks (false).
template <class Done>
bool run(Connection& connection, Receiver& receiver, Done done) {
  for (;;) {
    if (!connection.flush() || !connection.receive(receiver)) return false;
    if (done()) return true;
    const short events = connection.wants_write() ? POLLIN | POLLOUT : POLLIN;
    pollfd entries[] = {{connection.fd(), events, 0}, {connection.listener_fd(), events, 0}};
    if (::poll(entries, 2, 10'000) <= 0) return false;
  }
}

/// Why a connection could not be opened.
struct Failure {
  errc code{};
  std::string what;
};

inline Failure failure_of(const Connection::Settings& settings) {
  try {
    (void)Connection::open(settings);
  } catch (const Error& error) {
    return {error.reason(), error.what()};
  }
  return {};
}
inline Failure failure_of(const std::string& url) { return failure_of(settings_for(url)); }

}  // namespace dlock::redis
