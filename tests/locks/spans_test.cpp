// The longest spans and the farthest deadlines mean "no limit", in every call that takes one.
#include <future>
#include <latch>
#include <limits>
#include <mutex>
#include <thread>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;
using Seconds = std::chrono::duration<double>;
using Years = std::chrono::duration<float, std::chrono::years::period>;

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr auto ms_max = milliseconds::max();

static_assert(detail::in_ms(ms_max) == ms_max);
static_assert(detail::in_ms(seconds::max()) == ms_max);
static_assert(detail::in_ms(hours::max()) == ms_max);
static_assert(detail::in_ms(nanoseconds::max()) == ms_max);
static_assert(detail::in_ms(Seconds{infinite}) == ms_max);
static_assert(detail::in_ms(Seconds{1e300}) == ms_max);
static_assert(detail::in_ms(hours{24 * 365 * 100}) == ms_max);
static_assert(detail::in_ms(hours{24 * 365 * 99}) < ms_max);
static_assert(detail::in_ms(1ns) == 1ms);
static_assert(detail::in_ms(Seconds{0.0011}) == 2ms);
static_assert(detail::in_ms(Seconds{-0.0011}) == -1ms);
static_assert(detail::in_ms(0h) == 0ms);
static_assert(detail::in_ms(hours::min()) < 0ms);
static_assert(detail::in_ms(ms_max * -1) < 0ms);
static_assert(detail::in_ms(milliseconds::min()) < 0ms);
static_assert(detail::in_ms(Seconds{-infinite}) < 0ms);
static_assert(detail::in_ms(std::chrono::duration<std::int64_t, std::pico>::max()) < ms_max);
static_assert(LockOptions{.wait = seconds::max()}.wait == ms_max);
static_assert(LockOptions{.ttl = hours::max()}.ttl > hours{24 * 3660});

template <class Clock, class Span>
constexpr auto at(Span span) {
  return std::chrono::time_point<Clock, Span>{span};
}

TEST(Spans, DeadlinesOfAnyClock) {
  EXPECT_EQ(detail::until(std::chrono::sys_seconds::max()), ms_max);
  EXPECT_EQ(detail::until(std::chrono::sys_days::max()), ms_max);
  EXPECT_EQ(detail::until(steady_clock::time_point::max()), ms_max);
  EXPECT_EQ(detail::until(system_clock::time_point::max()), ms_max);
  EXPECT_EQ(detail::until(at<steady_clock>(Seconds{infinite})), ms_max);
  EXPECT_EQ(detail::until(at<system_clock>(hours::max())), ms_max);
  EXPECT_EQ(detail::until(at<steady_clock>(Seconds{-infinite})), 0ms);
  EXPECT_EQ(detail::until(std::chrono::sys_seconds::min()), 0ms);
  EXPECT_EQ(detail::until(steady_clock::time_point::min()), 0ms);
  EXPECT_EQ(detail::until(std::chrono::sys_seconds{}), 0ms);
  const auto soon = detail::until(steady_clock::now() + 30s);
  EXPECT_LE(soon, 30s);
  EXPECT_GT(soon, 10s);
  const auto hour = detail::until(std::chrono::ceil<seconds>(system_clock::now()) + 1h);
  EXPECT_GT(hour, 59min);
  EXPECT_EQ(reason_of([] { (void)detail::until(at<steady_clock>(Seconds{std::nan("")})); }),
            errc::usage);
  EXPECT_FALSE(detail::deadline_in(seconds::max()));
  EXPECT_FALSE(detail::deadline_in(Seconds{infinite}));
  EXPECT_LE(*detail::deadline_in(hours::min()), steady_clock::now());
}

class LongSpans : public ClientTest {
 protected:
  /// Whether `take(client)` gets what is held until it is seen to wait for `name`.
  template <class Take>
  bool waits(const std::string& name, Take take) {
    Client client{server.url()};
    auto held = Mutex{holder, name}.acquire();
    return waits_for(std::move(held), name, [&] { return take(client); });
  }
  template <class Held, class Take>
  bool waits_for(Held held, const std::string& name, Take take) {
    std::jthread releases{[&] {
      EXPECT_TRUE(come_to_wait(name, 1));
      held.release();
    }};
    return static_cast<bool>(take());
  }
  void TearDown() override {
    {
      const Client gone{std::move(holder)};
    }
    ClientTest::TearDown();
  }
  Client holder{server.url()};
};

TEST_F(LongSpans, AMutexIsWaitedFor) {
  const auto waits_in = [&](auto span) {
    return waits("m", [&](Client& client) { return Mutex{client, "m"}.try_acquire_for(span); });
  };
  EXPECT_TRUE(waits_in(ms_max));
  EXPECT_TRUE(waits_in(seconds::max()));
  EXPECT_TRUE(waits_in(minutes::max()));
  EXPECT_TRUE(waits_in(hours::max()));
  EXPECT_TRUE(waits_in(nanoseconds::max()));
  EXPECT_TRUE(waits_in(Seconds{infinite}));
  EXPECT_TRUE(waits_in(Years{1e30F}));
  const auto waits_until = [&](auto deadline) {
    return waits("m",
                 [&](Client& client) { return Mutex{client, "m"}.try_acquire_until(deadline); });
  };
  EXPECT_TRUE(waits_until(std::chrono::sys_seconds::max()));
  EXPECT_TRUE(waits_until(steady_clock::time_point::max()));
  EXPECT_TRUE(waits_until(at<steady_clock>(Seconds{infinite})));
  EXPECT_TRUE(waits(
      "m", [](Client& client) { return Mutex{client, "m", {.wait = seconds::max()}}.acquire(); }));
  EXPECT_TRUE(waits("m", [](Client& client) {
    Mutex mutex{client, "m", {.max_hold = hours::max()}};
    const bool locked = mutex.try_lock_for(hours::max());
    EXPECT_TRUE(mutex.lease().held());
    mutex.unlock();
    return locked;
  }));
  EXPECT_TRUE(waits("m", [](Client& client) {
    RecursiveMutex mutex{client, "m"};
    const std::unique_lock lock{mutex, std::chrono::sys_seconds::max()};
    return lock.owns_lock();
  }));
  EXPECT_TRUE(waits("m", [](Client& client) {
    std::promise<AcquireResult> result;
    Mutex mutex{client, "m"};
    mutex.async_try_acquire_for(seconds::max(),
                                [&](AcquireResult one) { result.set_value(std::move(one)); });
    return result.get_future().get().lease;
  }));
  EXPECT_TRUE(waits(
      "m", [](Client& client) { return try_acquire_all_for(client, {"m", "n"}, minutes::max()); }));
  EXPECT_TRUE(waits("m", [](Client& client) {
    return Election{client, "m"}.try_campaign_for(hours::max(), "me");
  }));
}

TEST_F(LongSpans, TheShortestTryOnce) {
  const auto held = Mutex{holder, "m"}.acquire();
  Mutex mutex{holder, "m"};
  EXPECT_FALSE(mutex.try_lock_for(hours::min()));
  EXPECT_FALSE(mutex.try_lock_for(milliseconds::min()));
  EXPECT_FALSE(mutex.try_lock_for(Seconds{-infinite}));
  EXPECT_FALSE(mutex.try_lock_until(std::chrono::sys_seconds::min()));
  EXPECT_FALSE(mutex.try_lock_until(steady_clock::time_point::min()));
  EXPECT_EQ(reason_of([&] { (void)mutex.try_lock_for(Seconds{std::nan("")}); }), errc::usage);
}

TEST_F(LongSpans, ReadersWritersAndPermitsAreWaitedFor) {
  Client client{server.url()};
  SharedMutex mutex{client, "s"};
  SharedMutex held{holder, "s"};
  EXPECT_TRUE(
      waits_for(held.acquire(), "s", [&] { return mutex.try_acquire_for(seconds::max()); }));
  EXPECT_TRUE(
      waits_for(held.acquire(), "s", [&] { return mutex.reader().try_acquire_for(hours::max()); }));
  EXPECT_TRUE(waits_for(held.acquire(), "s",
                        [&] { return mutex.try_acquire_upgradeable_for(minutes::max()); }));
  EXPECT_TRUE(waits_for(held.acquire(), "s", [&] {
    return mutex.reader().try_acquire_until(std::chrono::sys_seconds::max());
  }));
  auto reader = held.reader().acquire();
  auto upgradeable = mutex.acquire_upgradeable();
  EXPECT_TRUE(waits_for(std::move(reader), "s",
                        [&] { return upgradeable.try_upgrade_for(Seconds{infinite}); }));
  Semaphore permits{client, "p", 1};
  EXPECT_TRUE(waits_for(Semaphore{holder, "p", 1}.acquire(), "p",
                        [&] { return permits.try_acquire_for(hours::max()); }));
}

TEST_F(LongSpans, PartiesWaitForEachOther) {
  Client client{server.url()};
  Barrier first{holder, "b", 2};
  Barrier second{client, "b", 2};
  auto passes = std::async([&] { return first.arrive_and_wait_for(hours::max()); });
  EXPECT_TRUE(second.arrive_and_wait_for(seconds::max()));
  EXPECT_TRUE(passes.get());
  Latch latch{holder, "l", 1, {.keep = 1s}};
  auto opens = std::async([&] { return latch.wait_for(Seconds{infinite}); });
  Latch{client, "l", 1, {.keep = 1s}}.count_down();
  EXPECT_TRUE(opens.get());
  server.command({"FLUSHALL"});  // both stay for a while
}

TEST_F(LongSpans, ConditionsAndObserversWait) {
  Client client{server.url()};
  Mutex mutex{client, "c"};
  ConditionVariable condition{client, "c"};
  std::promise<void> locked;
  bool is_said = false;
  auto notified = std::async([&] {
    std::unique_lock lock{mutex};
    locked.set_value();
    return condition.wait_for(lock, hours::max(), [&] { return is_said; });
  });
  locked.get_future().get();
  {
    const std::lock_guard lock{mutex};
    is_said = true;
  }
  condition.notify_all();
  EXPECT_TRUE(notified.get());

  const Election election{client, "e"};
  auto observer = election.observe();
  EXPECT_EQ(observer.next_for(10s)->kind, LeaderChange::Kind::vacant);
  auto sees = std::async([&] { return observer.next_for(seconds::max()); });
  const auto leads = Election{holder, "e"}.campaign("me");
  EXPECT_EQ(sees.get()->leader.value, "me");
}

TEST_F(LongSpans, WhereForEverMakesNoSenseItIsRefused) {
  EXPECT_EQ(
      reason_of([&] { (void)begin_once(holder, "m", {.at_least = hours::max(), .at_most = 1h}); }),
      errc::usage);
  EXPECT_EQ(reason_of([&] { Client(server.url(), {.safety_margin = hours::max()}); }), errc::usage);
  EXPECT_EQ(reason_of([&] { (void)check_up(holder, {.clock_span = hours::max()}); }), errc::usage);
}

TEST_F(LongSpans, TheLongestPatienceBreaksALock) {
  Client client{server.url()};
  const auto lease = Mutex{client, "m"}.acquire();
  EXPECT_EQ(break_lock(holder, "m", lease.fence(), hours::max()), BreakOutcome::broken);
}

}  // namespace
}  // namespace dlock::test
