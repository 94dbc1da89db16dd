// Shared by the tests of the public API: a server, its keys, and short names.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>

#include <chrono>
#include <string>
#include <string_view>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "dlock/dlock.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace dlock::test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using SteadyClock = std::chrono::steady_clock;

/// How long `act` takes at best: a busy machine makes any single time long.
template <class Act>
SteadyClock::duration fastest_of(int times, Act act) {
  auto fastest = SteadyClock::duration::max();
  for (int i = 0; i < times; ++i) {
    const auto begin = SteadyClock::now();
    act();
    fastest = std::min(fastest, SteadyClock::now() - begin);
  }
  return fastest;
}

/// The reason of the dlock::Error that `body` throws; none of them if it throws none.
template <class Body>
errc reason_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.reason();
  }
  return errc{};
}

/// The text of the dlock::Error that `body` throws; empty if it throws none.
template <class Body>
std::string words_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

/// A server of the test's own. Clients are locals of the test: when they are gone, nothing but the
/// fence counter may be left on the server.
class ClientTest : public testing::Test {
 protected:
  explicit ClientTest(RedisServer::Options options = {}) : server(std::move(options)) {}

  void TearDown() override {
    if (server.pid() > 0) {
      EXPECT_TRUE(eventually([&] { return is_clean(); })) << keys();
    }
  }

  /// The content of the lock key: "(nil)", or a holder and its fence.
  [[nodiscard]] std::string value(std::string_view name) const {
    return server.command({"GET", name});
  }
  [[nodiscard]] bool is_free(std::string_view name) const { return value(name) == "(nil)"; }
  [[nodiscard]] bool holds(std::string_view name, const Lease& lease) const {
    return (value(name) + ':').starts_with(lease.token() + ':');
  }
  /// How many clients stand in the lock's queue.
  [[nodiscard]] int waiting(std::string_view name) const {
    return std::stoi(server.command({"ZCARD", core::lock_keys(name).queue}));
  }
  [[nodiscard]] bool come_to_wait(std::string_view name, int clients) const {
    return eventually([&] { return waiting(name) == clients; });
  }
  /// All keys, one a line.
  [[nodiscard]] std::string keys() const { return server.command({"KEYS", "*"}); }
  [[nodiscard]] bool is_clean() const {
    const auto left = keys();
    return left.empty() || left == core::fence_key;
  }

  RedisServer server;
};

}  // namespace dlock::test
