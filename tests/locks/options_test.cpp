// Options: the sensible ones work, the others are refused with what is wrong.
#include <cmath>
#include <limits>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class Options : public ClientTest {
 protected:
  static errc client_with(ClientOptions options, const char* url = "redis://localhost") {
    return reason_of([&] { const Client client{url, std::move(options)}; });
  }
  errc lock_with(LockOptions options) const {
    Client client{server.url()};
    return reason_of([&] { const Mutex mutex{client, "m", options}; });
  }
  errc recursive_with(LockOptions options) const {
    Client client{server.url()};
    return reason_of([&] { const RecursiveMutex mutex{client, "m", options}; });
  }
};

constexpr auto year = std::chrono::hours{24 * 365};

TEST_F(Options, ATtlFromTenMillisecondsToTenYearsIsTaken) {
  for (const auto ttl : {10ms, 1'000ms, milliseconds{year}, milliseconds{10 * year}}) {
    EXPECT_EQ(lock_with({.ttl = ttl}), errc{}) << ttl.count();
  }
  for (const auto ttl : {-1ms, 0ms, 1ms, 9ms, milliseconds{11 * year}, milliseconds::min()}) {
    EXPECT_EQ(lock_with({.ttl = ttl}), errc::usage) << ttl.count();
    EXPECT_EQ(recursive_with({.ttl = ttl}), errc::usage) << ttl.count();
  }
  Client client{server.url()};
  const auto words = words_of([&] { const Mutex mutex{client, "m", {.ttl = 1ms}}; });
  EXPECT_THAT(words, HasSubstr("1 ms"));
  EXPECT_THAT(words, HasSubstr("10 ms"));
}

TEST_F(Options, ATtlOfTenYearsWorks) {
  Client client{server.url()};
  for (const Span ttl : {Span{10 * year}, Span{std::chrono::hours::max()}}) {
    for (const bool renew : {true, false}) {
      const DistributedLock lock{client, "m", {.ttl = ttl, .renew = renew}};
      EXPECT_GT(lock.valid_for(), 9 * year);
      EXPECT_LT(lock.valid_for(), 10 * year + std::chrono::hours{24 * 10});
      EXPECT_TRUE(holds("m", lock));
      EXPECT_GT(std::stoll(server.command({"PTTL", "m"})), milliseconds{9 * year}.count());
    }
  }
}

TEST_F(Options, TheLongestSpansMeanForEver) {
  constexpr Span for_ever{std::chrono::seconds::max()};
  Client client{server.url(), {.connect_timeout = for_ever, .request_timeout = for_ever}};
  const DistributedLock lock{client, "m", {.ttl = for_ever, .replication_timeout = for_ever}};
  lock.ensure_held();
  EXPECT_TRUE(run_once(client, "once", {.at_least = for_ever, .at_most = for_ever}, [] {}));
  EXPECT_FALSE(run_once(client, "once", {.at_least = 1ms, .at_most = 1s}, [] {}));
  EXPECT_GT(std::stoll(server.command({"PTTL", "once"})), milliseconds{9 * year}.count());
  Latch{client, "latch", 1, {.keep = for_ever, .ttl = for_ever}}.count_down();
  server.command({"DEL", "once", "dlock1:latch:latch"});
}

TEST_F(Options, AShortTtlIsRenewedInTime) {
  Client client{server.url(), {.drift_floor = 0ms}};
  const DistributedLock lock{client, "m", {.ttl = 300ms}};
  const auto end = SteadyClock::now() + 6 * 300ms;
  ASSERT_TRUE(eventually([&] { return SteadyClock::now() >= end || !lock.held(); }));
  EXPECT_GE(client.stats().renewals, 5U);
}

TEST_F(Options, TheShortestTtlEndsInALockOrAnError) {
  Client client{server.url()};
  for (int i = 0; i < 20; ++i) {
    try {
      const DistributedLock lock{client, "m", {.ttl = 10ms}};
      EXPECT_LT(lock.valid_for(), 10ms);
    } catch (const Unreachable& error) {
      EXPECT_THAT(error.what(), HasSubstr("longer ttl"));  // a slow machine
    }
  }
}

TEST_F(Options, TheLongestHoldIsPositive) {
  EXPECT_EQ(lock_with({.max_hold = 0ms}), errc::usage);
  EXPECT_EQ(lock_with({.max_hold = -1ms}), errc::usage);
  EXPECT_EQ(lock_with({.max_hold = 1ms}), errc{});
}

TEST_F(Options, ReplicasAreANumberAndTheWaitForThemIsPositive) {
  for (const LockOptions& wrong :
       {LockOptions{.min_replicas = -1}, LockOptions{.min_replicas = 2'000'000},
        LockOptions{.replication_timeout = 0ms}, LockOptions{.replication_timeout = 2h}}) {
    EXPECT_EQ(lock_with(wrong), errc::usage);
  }
}

TEST_F(Options, TimeoutsMustBePositiveAndOfThisWorld) {
  for (const auto timeout : {milliseconds::min(), -1ms, 0ms, milliseconds{2 * year}}) {
    EXPECT_EQ(client_with({.connect_timeout = timeout}), errc::usage) << timeout.count();
    EXPECT_EQ(client_with({.request_timeout = timeout}), errc::usage) << timeout.count();
  }
  EXPECT_EQ(client_with({.connect_timeout = 1ms, .request_timeout = 1h}), errc{});
}

TEST_F(Options, MarginsMustMakeSense) {
  for (const double rate :
       {-0.1, 0.5, 1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(client_with({.drift_rate = rate}), errc::usage) << rate;
  }
  for (const auto span : {milliseconds::min(), -1ms, milliseconds::max()}) {
    EXPECT_EQ(client_with({.drift_floor = span}), errc::usage) << span.count();
    EXPECT_EQ(client_with({.safety_margin = span}), errc::usage) << span.count();
  }
  EXPECT_EQ(client_with({.patience = -1ms}), errc::usage);
  for (const std::chrono::microseconds span : {std::chrono::microseconds::min(), -1us, 1001us}) {
    EXPECT_EQ(client_with({.busy_poll = span}), errc::usage) << span.count();
  }
  EXPECT_EQ(client_with({.busy_poll = 0ms}), errc{});
  EXPECT_EQ(client_with({.busy_poll = 1ms}), errc{});
  EXPECT_EQ(client_with({.drift_rate = 0, .drift_floor = 0ms, .safety_margin = 0ms}), errc{});
}

TEST_F(Options, AWrongUrlIsSaidWhenTheClientIsMade) {
  for (const auto* url : {"redis:", "http://localhost", "redis://", "redis://localhost:0",
                          "redis://localhost:99999", "redis://localhost/x", "nonsense", " "}) {
    EXPECT_EQ(client_with({}, url), errc::usage) << url;
  }
}

TEST_F(Options, TheDriftMarginIsTakenOffTheValidity) {
  Client careful{server.url(), {.drift_rate = 0.2, .drift_floor = 1s}};
  const DistributedLock lock{careful, "m", {.ttl = 60s}};
  EXPECT_LT(lock.valid_for(), 60s - 12s - 1s + 1ms);
  EXPECT_GT(lock.valid_for(), 30s);
}

TEST_F(Options, TheSafetyMarginSaysHowEarlyALossIsTold) {
  Client client{server.url(), {.safety_margin = 500ms}};
  const DistributedLock lock{client, "m", {.ttl = 2s, .renew = false}};
  std::atomic<std::int64_t> left{-1};
  const std::stop_callback on_lost{lock.lost(),
                                   [&] { left = std::stoll(server.command({"PTTL", "m"})); }};
  ASSERT_TRUE(eventually([&] { return left >= 0; }));
  EXPECT_GT(left, 0);
  EXPECT_LT(left, 1'000) << "not much earlier than asked for";
}

}  // namespace

}  // namespace dlock::test
