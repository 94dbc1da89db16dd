// Waiting: limits, cancellation, and that a wait which ended leaves nothing behind.
#include <atomic>
#include <future>
#include <stop_token>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

/// The result of an attempt.
enum class Outcome { obtained, nothing, cancelled };

Outcome outcome_of(Mutex& mutex, milliseconds limit, const std::stop_token& stop) {
  try {
    return mutex.try_acquire_for(limit, stop) ? Outcome::obtained : Outcome::nothing;
  } catch (const Cancelled&) {
    return Outcome::cancelled;
  }
}

class Waiting : public ClientTest {
 protected:
  /// The next attempt gets the lock well before a grant to nobody would run out.
  void expect_free_at_once(Client& client, const char* name) const {
    const auto begin = SteadyClock::now();
    EXPECT_TRUE((Mutex{client, name}.try_acquire_for(20s)));
    EXPECT_LT(SteadyClock::now() - begin, 1500ms) << "half of the claim time";
  }
};

TEST_F(Waiting, TheLimitOfTheOptionsEndsTheCallsThatHaveNoneOfTheirOwn) {
  Client client{server.url()};
  Client there{server.url()};
  const DistributedLock held{there, "m", {.ttl = 30s}};
  Mutex mutex{client, "m", {.wait = 50ms}};
  RecursiveMutex recursive{client, "m", {.wait = 50ms}};
  EXPECT_EQ(reason_of([&] { mutex.lock(); }), errc::timed_out);
  EXPECT_EQ(reason_of([&] { recursive.lock(); }), errc::timed_out);
  EXPECT_EQ(reason_of([&] { (void)mutex.acquire(); }), errc::timed_out);
  EXPECT_THROW((DistributedLock{client, "m", {.wait = 50ms}}), TimedOut);
  EXPECT_THAT(words_of([&] { mutex.lock(); }), HasSubstr("\"m\""));
  EXPECT_THAT(words_of([&] { mutex.lock(); }), HasSubstr("50 ms"));
  EXPECT_EQ(client.stats().timed_out, 6U);
  EXPECT_EQ(waiting("m"), 0);
}

TEST_F(Waiting, ALimitOfZeroTriesOnce) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "m", {.wait = 0ms}};
  mutex.lock();
  mutex.unlock();
  const DistributedLock held{there, "m", {.ttl = 30s}};
  EXPECT_EQ(reason_of([&] { mutex.lock(); }), errc::timed_out);
  EXPECT_FALSE(mutex.try_acquire_for(-1h));
  EXPECT_EQ(waiting("m"), 0);
}

TEST_F(Waiting, AStopEndsAWaitAtOnceAndLeavesNothing) {
  Client client{server.url()};
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  Mutex mutex{client, "m"};
  std::stop_source stop;
  auto wait = std::async(std::launch::async, [&] { (void)mutex.acquire(stop.get_token()); });
  ASSERT_TRUE(come_to_wait("m", 1));
  stop.request_stop();
  ASSERT_EQ(wait.wait_for(5s), std::future_status::ready);
  EXPECT_THROW(wait.get(), Cancelled);
  EXPECT_TRUE(eventually([&] { return waiting("m") == 0; }));
  held.reset();
  expect_free_at_once(client, "m");
}

TEST_F(Waiting, AStopRequestedBeforeTheWaitIsHeeded) {
  Client client{server.url()};
  std::stop_source stop;
  stop.request_stop();
  Mutex mutex{client, "m"};
  EXPECT_EQ(reason_of([&] { (void)mutex.acquire(stop.get_token()); }), errc::cancelled);
  EXPECT_EQ(reason_of([&] { (void)mutex.try_acquire_for(1s, stop.get_token()); }), errc::cancelled);
  EXPECT_TRUE(is_free("m"));
}

TEST_F(Waiting, AStopAfterTheLockWasObtainedChangesNothing) {
  Client client{server.url()};
  std::stop_source stop;
  Mutex mutex{client, "m"};
  const auto lease = mutex.acquire(stop.get_token());
  stop.request_stop();
  lease.ensure_held();
  EXPECT_TRUE(holds("m", lease));
}

TEST_F(Waiting, AStopOfOneThreadLeavesTheOthersOfItsClientWaiting) {
  Client client{server.url()};
  Client there{server.url()};
  std::optional<Lease> held{Mutex{there, "m"}.acquire()};
  Mutex mutex{client, "m"};
  std::stop_source stop;
  auto first = std::async(std::launch::async, [&] { (void)mutex.acquire(stop.get_token()); });
  ASSERT_TRUE(come_to_wait("m", 1));
  auto second = std::async(std::launch::async, [&] { return mutex.acquire().fence(); });
  stop.request_stop();
  EXPECT_THROW(first.get(), Cancelled);
  const auto before = held->fence();
  held.reset();
  ASSERT_EQ(second.wait_for(20s), std::future_status::ready);
  EXPECT_GT(second.get(), before);
}

// The race that matters: the grant and the stop are under way at the same time.
TEST_F(Waiting, AStopInTheMomentOfTheGrantLosesNothing) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mine{client, "m", {.ttl = 20s}};
  Mutex theirs{there, "m", {.ttl = 20s}};
  int obtained = 0;
  constexpr int rounds = 200;
  for (int round = 0; round < rounds; ++round) {
    auto held = theirs.acquire();
    std::stop_source stop;
    auto wait =
        std::async(std::launch::async, [&] { return outcome_of(mine, 60s, stop.get_token()); });
    ASSERT_TRUE(come_to_wait("m", 1));
    std::atomic<bool> go{false};
    auto stopper = std::async(std::launch::async, [&] {
      while (!go) {
      }
      const auto moment = SteadyClock::now() + std::chrono::microseconds{round % 20 * 10};
      while (SteadyClock::now() < moment) {
      }
      stop.request_stop();
    });
    go = true;
    held.release();
    stopper.get();
    const auto outcome = wait.get();
    EXPECT_NE(outcome, Outcome::nothing);
    obtained += outcome == Outcome::obtained ? 1 : 0;
    expect_free_at_once(there, "m");
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  RecordProperty("obtained", obtained);
  EXPECT_TRUE(eventually([&] { return waiting("m") == 0; }));
}

// As before, with the end of a limit in the place of the stop.
TEST_F(Waiting, ATimeoutInTheMomentOfTheGrantLosesNothing) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mine{client, "m", {.ttl = 20s}};
  Mutex theirs{there, "m", {.ttl = 20s}};
  for (int round = 0; round < 100; ++round) {
    auto held = theirs.acquire();
    const auto end = SteadyClock::now() + 3ms;
    auto wait = std::async(std::launch::async, [&] {
      return mine.try_acquire_until(end) ? Outcome::obtained : Outcome::nothing;
    });
    while (SteadyClock::now() < end - 1ms + std::chrono::microseconds{round * 20}) {
    }
    held.release();
    (void)wait.get();
    expect_free_at_once(there, "m");
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  EXPECT_TRUE(eventually([&] { return waiting("m") == 0; }));
}

TEST_F(Waiting, WaitersGetTheLockInTheOrderInWhichTheyCame) {
  constexpr int count = 6;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < count; ++i) clients.push_back(std::make_unique<Client>(server.url()));
  Client first{server.url()};
  std::optional<Lease> held{Mutex{first, "m"}.acquire()};
  std::mutex guard;
  std::vector<int> order;
  std::vector<std::future<void>> waits;
  for (int i = 0; i < count; ++i) {
    waits.push_back(std::async(std::launch::async, [&, i] {
      const DistributedLock lock{*clients[i], "m"};
      const std::lock_guard enter{guard};
      order.push_back(i);
    }));
    ASSERT_TRUE(come_to_wait("m", i + 1));
  }
  held.reset();
  for (auto& wait : waits) wait.get();
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(Waiting, TheNextInLineIsWokenByTheReleaseAndNotByATimer) {
  Client client{server.url()};
  Client there{server.url()};
  const auto fastest = fastest_of(20, [&] {
    std::optional<Lease> held{Mutex{there, "m", {.ttl = 30s}}.acquire()};
    auto wait =
        std::async(std::launch::async, [&] { (void)DistributedLock{client, "m", {.ttl = 30s}}; });
    EXPECT_TRUE(come_to_wait("m", 1));
    held.reset();
    wait.get();
  });
  EXPECT_LT(fastest, 1s) << "a third of the time to look again";
  EXPECT_EQ(client.stats().granted, 20U);
}

}  // namespace

}  // namespace dlock::test
