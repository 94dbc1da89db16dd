// ConditionVariable: nothing missed between unlock and sleep, and nothing left behind.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "core/wire/gate.hpp"
#include "core/wire/token.hpp"
#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class Conditions : public ClientTest {
 protected:
  static std::string gate(std::string_view name) {
    return core::gate_key(core::Kind::condition, name);
  }
  [[nodiscard]] bool come_to_wait_at(std::string_view name, int waiters) const {
    return come_to_wait(gate(name), waiters);
  }
  void kill_connections() const { server.command({"CLIENT", "KILL", "TYPE", "pubsub"}); }
};

/// A thread that waits at "jobs" until `ready` says so.
class Waiter {
 public:
  Waiter(const std::string& url, const std::atomic<bool>& ready)
      : client_{url}, thread_{[this, &ready] {
          std::unique_lock lock{mutex_};
          condition_.wait(lock, [&] { return ready.load(); });
          woken = lock.owns_lock();
        }} {}

  std::atomic<bool> woken = false;

 private:
  Client client_;
  Mutex mutex_{client_, "jobs"};
  ConditionVariable condition_{client_, "jobs"};
  std::jthread thread_;
};

TEST_F(Conditions, ANotificationWakesAWaiterWhichHoldsTheMutexAgain) {
  Client client{server.url()};
  ConditionVariable condition{client, "jobs"};
  EXPECT_EQ(condition.name(), "jobs");
  const auto fastest = fastest_of(3, [&] {
    std::atomic<bool> ready = false;
    Waiter waiter{server.url(), ready};
    EXPECT_TRUE(come_to_wait_at("jobs", 1));
    EXPECT_TRUE(eventually([&] { return is_free("jobs"); })) << "given back for the wait";
    {
      const DistributedLock lock{client, "jobs", {.ttl = 30s}};
      ready = true;
    }
    condition.notify_one();
    EXPECT_TRUE(eventually([&] { return waiter.woken.load(); }));
  });
  EXPECT_LT(fastest, 1500ms) << "told, not found by looking again";
}

// Producers and consumers in turn: each notification goes to somebody who is about to sleep.
TEST_F(Conditions, NoWakeUpIsLostBetweenUnlockAndSleep) {
  constexpr int rounds = 3000;
  constexpr int none = -1;
  std::atomic<int> job = none;
  std::atomic<int> sum = 0;
  const auto consume = [&] {
    Client client{server.url()};
    Mutex mutex{client, "jobs"};
    ConditionVariable filled{client, "filled"};
    ConditionVariable emptied{client, "emptied"};
    for (bool ends = false; !ends;) {
      std::unique_lock lock{mutex};
      filled.wait(lock, [&] { return job != none; });
      const int taken = job.exchange(none);
      sum += taken;
      ends = taken == 0;
      emptied.notify_one();
    }
  };
  {
    const std::jthread first{consume};
    const std::jthread second{consume};
    Client client{server.url()};
    Mutex mutex{client, "jobs"};
    ConditionVariable filled{client, "filled"};
    ConditionVariable emptied{client, "emptied"};
    for (int next = rounds; next > -2; --next) {
      std::unique_lock lock{mutex};
      emptied.wait(lock, [&] { return job == none; });
      job = std::max(next, 0);  // the last two end the consumers
      filled.notify_one();
    }
  }
  EXPECT_EQ(sum, rounds * (rounds + 1) / 2);
}

TEST_F(Conditions, NotifyAllWakesMoreThanOneCallOfTheScriptTakes) {
  std::atomic<bool> ready = false;
  Client client{server.url()};
  Mutex mutex{client, "jobs"};
  ConditionVariable condition{client, "jobs"};
  std::atomic<int> woken = 0;
  {
    std::list<std::jthread> waiters;
    for (int i = 0; i < 150; ++i) {
      waiters.emplace_back([&] {
        std::unique_lock lock{mutex};
        condition.wait(lock, [&] { return ready.load(); });
        ++woken;
      });
    }
    EXPECT_TRUE(come_to_wait_at("jobs", 150));
    ready = true;
    condition.notify_all();
    EXPECT_EQ(waiting(gate("jobs")), 0);
  }
  EXPECT_EQ(woken, 150);
}

TEST_F(Conditions, NotifyOneWakesTheFirstWaiter) {
  Client client{server.url()};
  ConditionVariable condition{client, "jobs"};
  std::atomic<bool> ready = false;
  Waiter first{server.url(), ready};
  EXPECT_TRUE(come_to_wait_at("jobs", 1));
  Waiter second{server.url(), ready};
  EXPECT_TRUE(come_to_wait_at("jobs", 2));
  ready = true;
  condition.notify_one();
  EXPECT_TRUE(eventually([&] { return first.woken.load(); }));
  EXPECT_EQ(waiting(gate("jobs")), 1);
  condition.notify_one();
  EXPECT_TRUE(eventually([&] { return second.woken.load(); }));
}

TEST_F(Conditions, ADeadWaiterIsSkipped) {
  Client client{server.url()};
  const auto queue = core::lock_keys(gate("jobs")).queue;
  const auto fastest = fastest_of(3, [&] {
    for (std::uint64_t i = 0; i < 100; ++i) {
      server.command(
          {"ZADD", queue, std::to_string(i), core::make_token("00000000deadc11e", {i, i}, 3s)});
    }
    std::atomic<bool> ready = false;
    Waiter waiter{server.url(), ready};
    EXPECT_TRUE(come_to_wait_at("jobs", 101));
    ready = true;
    ConditionVariable{client, "jobs"}.notify_one();
    EXPECT_TRUE(eventually([&] { return waiter.woken.load(); }));
  });
  EXPECT_LT(fastest, 1500ms) << "told, not found by looking again";
}

TEST_F(Conditions, AWaitThatEndsByItsLimitLeavesNothing) {
  Client client{server.url()};
  Mutex mutex{client, "jobs"};
  ConditionVariable condition{client, "jobs"};
  std::unique_lock lock{mutex};
  EXPECT_EQ(condition.wait_for(lock, 20ms), std::cv_status::timeout);
  EXPECT_EQ(condition.wait_for(lock, 0ms), std::cv_status::timeout);
  EXPECT_FALSE(condition.wait_for(lock, 20ms, [] { return false; }));
  int calls = 0;
  EXPECT_TRUE(condition.wait_for(lock, 20ms, [&] { return ++calls == 2; })) << "looks at the end";
  EXPECT_TRUE(lock.owns_lock());
  mutex.lease().ensure_held();
  EXPECT_TRUE(eventually([&] { return waiting(gate("jobs")) == 0; }));
}

TEST_F(Conditions, AStopTokenEndsAWait) {
  Client client{server.url()};
  Mutex mutex{client, "jobs"};
  ConditionVariable condition{client, "jobs"};
  std::stop_source stop;
  const std::jthread stopper{[&] {
    EXPECT_TRUE(come_to_wait_at("jobs", 1));
    stop.request_stop();
  }};
  std::unique_lock lock{mutex};
  EXPECT_FALSE(condition.wait(lock, stop.get_token(), [] { return false; }));
  EXPECT_TRUE(lock.owns_lock());
  EXPECT_FALSE(condition.wait_for(lock, stop.get_token(), 10s, [] { return false; }));
  EXPECT_TRUE(condition.wait(lock, stop.get_token(), [] { return true; }));
  EXPECT_TRUE(eventually([&] { return waiting(gate("jobs")) == 0; }));
}

TEST_F(Conditions, AWaiterWhoseConnectionBreaksIsWokenAllTheSame) {
  Client client{server.url()};
  std::atomic<bool> ready = false;
  Waiter waiter{server.url(), ready};
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(come_to_wait_at("jobs", 1));
    kill_connections();
  }
  ready = true;
  ConditionVariable{client, "jobs"}.notify_one();
  EXPECT_TRUE(eventually([&] { return waiter.woken.load(); }));
}

TEST_F(Conditions, AWaitWithoutTheMutexIsRefused) {
  Client client{server.url()};
  Mutex mutex{client, "jobs", {.ttl = 300ms, .renew = false}};
  ConditionVariable condition{client, "jobs"};
  std::unique_lock lock{mutex, std::defer_lock};
  EXPECT_EQ(reason_of([&] { condition.wait(lock); }), errc::usage);
  lock.lock();
  EXPECT_TRUE(eventually([&] { return !mutex.lease().held(); }));
  EXPECT_EQ(reason_of([&] { condition.wait(lock); }), errc::lost);
  EXPECT_EQ(reason_of([&] { (ConditionVariable{client, "dlock1:x"}); }), errc::usage);
}

}  // namespace
}  // namespace dlock::test
