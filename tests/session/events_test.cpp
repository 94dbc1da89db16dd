// Events: what happens to locks is told in order, on the callback thread, and losses of events too.
#include <condition_variable>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

using Kind = Event::Kind;

/// Keeps what a client tells.
class Told {
 public:
  [[nodiscard]] EventHandler handler() {
    return [this](const Event& event) {
      const std::lock_guard lock{mutex_};
      events_.push_back(event);
      changed_.notify_all();
    };
  }
  [[nodiscard]] LogSink log() {
    return [this](LogLevel, std::string_view text) {
      const std::lock_guard lock{mutex_};
      log_.append(text).append("\n");
    };
  }
  /// The first `count` events, once they are there.
  [[nodiscard]] std::vector<Event> wait_for(std::size_t count) {
    std::unique_lock lock{mutex_};
    EXPECT_TRUE(changed_.wait_for(lock, 60s, [&] { return events_.size() >= count; }));
    return events_;
  }
  [[nodiscard]] std::string logged() {
    const std::lock_guard lock{mutex_};
    return log_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  std::string log_;
};

std::vector<Kind> kinds(const std::vector<Event>& events) {
  std::vector<Kind> kinds;
  for (const auto& event : events) kinds.push_back(event.kind);
  return kinds;
}

class Events : public ClientTest {
 protected:
  Told told;  // outlives the clients
};

TEST_F(Events, AnAcquisitionAndItsReleaseHaveAllThatASpanNeeds) {
  Client client{server.url(), {.prefix = "app:", .on_event = told.handler()}};
  const auto before = std::chrono::system_clock::now();
  SharedMutex document{client, "a"};
  auto lease = document.reader().acquire();
  lease.release();
  const auto events = told.wait_for(2);
  ASSERT_EQ(kinds(events), (std::vector{Kind::acquired, Kind::released}));
  EXPECT_EQ(events[0].name, "a");
  EXPECT_EQ(events[0].lock, LeaseKind::reader);
  EXPECT_EQ(events[0].fence, lease.fence());
  EXPECT_EQ(events[0].way, AcquiredBy::request);
  EXPECT_GT(events[0].waited.count(), 0);
  EXPECT_GE(events[0].at, before);
  EXPECT_EQ(events[1].fence, lease.fence());
  EXPECT_GT(events[1].held.count(), 0);
  EXPECT_GE(events[1].at, events[0].at);
  EXPECT_THAT(events[1].text, StartsWith("reader \"a\" (fence "));
}

TEST_F(Events, ALossIsToldOnceWithItsReason) {
  Client client{server.url(), {.on_event = told.handler()}};
  const Mutex mutex{client, "a"};
  auto broken = mutex.acquire();
  EXPECT_EQ(break_lock(client, "a", broken.fence()), BreakOutcome::broken);
  ASSERT_TRUE(eventually([&] { return !broken.held(); }));
  EXPECT_THROW(broken.release(), LockLost);
  auto deleted = mutex.acquire();
  server.command({"DEL", "a"});
  EXPECT_THROW(deleted.release(), LockLost);
  mutex.acquire().release();
  const auto events = told.wait_for(6);
  ASSERT_EQ(kinds(events), (std::vector{Kind::acquired, Kind::lost, Kind::acquired, Kind::lost,
                                        Kind::acquired, Kind::released}));
  EXPECT_EQ(events[1].reason, LossReason::broken);
  EXPECT_EQ(events[3].reason, LossReason::gone);
  EXPECT_EQ(client.stats().lost, 2U);
}

TEST_F(Events, ALongWaitIsToldOnceWithWhoHoldsTheLock) {
  Client holder{server.url(), {.label = "nightly"}};
  Client client{server.url(), {.log = told.log(), .on_event = told.handler(), .slow_wait = 50ms}};
  const DistributedLock held{holder, "a"};
  EXPECT_FALSE(Mutex(client, "a").try_lock_for(400ms));
  std::promise<AcquireResult> later;
  Mutex(client, "a").async_try_acquire_for(400ms, [&](AcquireResult result) {
    later.set_value(std::move(result));
  });
  EXPECT_GT(later.get_future().get().place, 0);  // the former wait may still be in the queue
  const auto events = told.wait_for(4);
  ASSERT_EQ(kinds(events),
            (std::vector{Kind::waiting, Kind::timed_out, Kind::waiting, Kind::timed_out}));
  EXPECT_GE(events[0].waited, 50ms);
  EXPECT_EQ(events[0].place, 1);
  ASSERT_TRUE(events[0].store);
  EXPECT_EQ(events[0].store->holder.label, "nightly");
  EXPECT_THAT(events[0].text, HasSubstr("\"nightly\" holds since "));
  EXPECT_THAT(told.logged(), HasSubstr(events[0].text));
  EXPECT_EQ(events[1].place, 1);
  EXPECT_GE(events[1].waited, 400ms);
}

TEST_F(Events, AShortWaitIsNotReported) {
  Client client{server.url(), {.on_event = told.handler(), .slow_wait = 1h}};
  Client holder{server.url()};
  const DistributedLock held{holder, "a"};
  EXPECT_FALSE(Mutex(client, "a").try_lock_for(20ms));
  EXPECT_EQ(kinds(told.wait_for(1)), std::vector{Kind::timed_out});
}

TEST_F(Events, ALeaderIsElectedAndDeposed) {
  Client client{server.url(), {.on_event = told.handler()}};
  Election election{client, "boss"};
  election.campaign("me").resign();
  const auto leadership = election.campaign("me");
  EXPECT_EQ(break_lock(client, "boss", leadership.term()), BreakOutcome::broken);
  const auto events = told.wait_for(8);
  ASSERT_EQ(kinds(events),
            (std::vector{Kind::acquired, Kind::elected, Kind::deposed, Kind::released,
                         Kind::acquired, Kind::elected, Kind::deposed, Kind::lost}));
  EXPECT_EQ(events[1].name, "boss");
  EXPECT_FALSE(events[2].reason);
  EXPECT_EQ(events[6].reason, LossReason::broken);
}

TEST_F(Events, ADeadlockIsTold) {
  Client client{server.url(), {.on_event = told.handler()}};
  const DistributedLock held{client, "a"};
  EXPECT_EQ(reason_of([&] { Mutex{client, "a"}.lock(); }), errc::deadlock);
  EXPECT_EQ(kinds(told.wait_for(2)), (std::vector{Kind::acquired, Kind::deadlock}));
}

TEST_F(Events, WhatASlowHandlerMissesIsCountedAndReported) {
  std::binary_semaphore goes_on{0};
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> seen{0};
  std::atomic<bool> is_blocked{true};
  Client client{server.url(), {.log = told.log(), .on_event = [&](const Event& event) {
                                 if (is_blocked.exchange(false)) goes_on.acquire();
                                 dropped += event.dropped;
                                 ++seen;
                               }}};
  const Mutex mutex{client, "a"};
  for (int i = 0; i < 700; ++i) mutex.acquire().release();
  EXPECT_GE(client.stats().dropped_events, 300U);
  goes_on.release();
  EXPECT_TRUE(eventually([&] { return seen >= 1000; }, 60s));
  mutex.acquire().release();
  EXPECT_TRUE(eventually([&] { return seen + dropped == 1402; })) << seen << " " << dropped;
  EXPECT_EQ(client.stats().dropped_events, dropped);
  EXPECT_THAT(told.logged(), HasSubstr("the handler of events is too slow"));
}

}  // namespace
}  // namespace dlock::test
