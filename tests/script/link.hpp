// A plain connection to a server under test.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/redis_server.hpp"
#include "support/wire.hpp"

namespace dlock::test {

/// A whole reply.
struct Answer {
  enum class Kind : std::uint8_t { text, error, nil, list };
  Kind kind = Kind::nil;
  std::string text;  ///< of text and error; integers in decimal
  std::vector<Answer> elements;
};

/// Throws `std::runtime_error` when the connection breaks or stays silent for 10 s.
class Link {
 public:
  explicit Link(const RedisServer& server) : Link(server.socket_path()) {}
  explicit Link(const std::string& path) : wire_(path, std::chrono::seconds{10}) {}

  /// It leaves with the next `read`.
  void send(std::span<const std::string_view> fields) { wire_.append(fields); }
  void send(std::initializer_list<std::string_view> fields) {
    send(std::span<const std::string_view>{fields.begin(), fields.size()});
  }
  Answer read();
  Answer ask(std::initializer_list<std::string_view> fields) {
    send(fields);
    return read();
  }

 private:
  Wire wire_;
};

/// A client of the lock that waits: it hears one channel.
class Subscriber {
 public:
  Subscriber(const RedisServer& server, std::string channel)
      : link_(server), channel_(std::move(channel)) {}

  void subscribe();
  void unsubscribe();
  [[nodiscard]] bool is_subscribed() const { return subscribed_; }

  /// The messages since the last call: all that were published before this call.
  std::vector<std::string> take() {
    ask_for_messages();
    return take_asked();
  }
  // The two halves of `take`, for many subscribers at once.
  void ask_for_messages() { link_.send({"PING"}); }
  std::vector<std::string> take_asked();

 private:
  Link link_;
  std::string channel_;
  bool subscribed_ = false;
};

}  // namespace dlock::test
