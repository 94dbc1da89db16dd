// Shared by the examples of script behaviour: one lock, its clients, and short names for both.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "script/link.hpp"
#include "script/store.hpp"

namespace dlock::test {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class ScriptTest : public testing::Test {
 protected:
  const std::string lock = "lock";
  Store store;

  /// Client `client` listens from the first mention on.
  Subscriber& ear(int client) {
    auto& ear = ears_[client];
    if (!ear) {
      ear = std::make_unique<Subscriber>(store.server(), channel_of_client(client));
      ear->subscribe();
    }
    return *ear;
  }

  /// The token of a client that listens, or of one that is gone.
  std::string waiter(int client) {
    (void)ear(client);
    return make_token(client, 0);
  }
  static std::string dead_waiter(int number) { return make_token(900, number); }

  // Each without the echo at the beginning.
  std::string acquire(const std::string& token, Millis ttl = 30s) {
    return without_echo(store.acquire({.key = lock, .token = token, .ttl = ttl}));
  }
  std::string try_acquire(const std::string& token) {
    return without_echo(store.acquire({.key = lock, .token = token, .ttl = 30s, .wait = false}));
  }
  std::string yield(const std::string& old, const std::string& token) {
    return without_echo(store.acquire({.key = lock, .token = token, .ttl = 30s, .old = old}));
  }
  std::string release(const std::string& token) { return without_echo(store.release(lock, token)); }
  std::string renew(const std::string& token, Millis ttl, int sequence = 0) {
    return store.renew("echo", {{lock, token, ttl, sequence}});
  }

  /// Takes the lock and expects to get it. Returns the fence counter.
  std::int64_t hold(const std::string& token, Millis ttl = 30s) {
    const auto reply = acquire(token, ttl);
    EXPECT_THAT(reply, StartsWith("acquired "));
    return std::stoll(reply.substr(reply.find(' ')));
  }
  /// Asks for the lock and expects to wait. Returns the ticket.
  std::int64_t queue(const std::string& token) {
    const auto reply = acquire(token);
    EXPECT_THAT(reply, StartsWith("queued "));
    return std::stoll(word(reply, 3));
  }

  [[nodiscard]] LockState state() { return store.state(lock); }
  /// The content of the lock: a token, a foreign value, or nothing.
  [[nodiscard]] std::string holder() {
    const auto value = state().value;
    if (value == "(nil)") return "nobody";
    return value.starts_with("dlock1:") ? value.substr(0, value.find(':', 57)) : value;
  }
  [[nodiscard]] std::vector<std::string> waiting() {
    std::vector<std::string> tokens;
    for (const auto& entry : state().queue) tokens.push_back(entry.token);
    return tokens;
  }
  void pass(Micros time) { store.clock().advance(time); }

  static std::string word(const std::string& reply, int number) {
    std::size_t start = 0;
    for (; number > 0; --number) start = reply.find(' ', start) + 1;
    return reply.substr(start, reply.find(' ', start) - start);
  }

 private:
  static std::string without_echo(const std::string& reply) {
    return reply.starts_with('-') ? reply : reply.substr(reply.find(' ') + 1);
  }
  std::map<int, std::unique_ptr<Subscriber>> ears_;
};

}  // namespace dlock::test
