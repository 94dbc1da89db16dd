// Mutex: what std::timed_mutex is to threads, between clients.
#include "dlock/mutex.hpp"

#include <future>
#include <mutex>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class MutexTest : public ClientTest {
 protected:
  // Used as a local of each test: gone before the server is looked at.
  struct Two {
    explicit Two(const RedisServer& server) : here(server.url()), there(server.unix_url()) {
      const DistributedLock first{here, "m"};  // now the server knows the scripts
    }
    Client here, there;
  };
};

TEST_F(MutexTest, OneClientKeepsAnotherOut) {
  Two clients{server};
  Mutex mine{clients.here, "m"};
  Mutex theirs{clients.there, "m"};
  mine.lock();
  EXPECT_FALSE(theirs.try_lock());
  EXPECT_FALSE(theirs.try_acquire());
  EXPECT_FALSE(theirs.try_lock_for(20ms));
  mine.unlock();
  EXPECT_TRUE(theirs.try_lock());
  EXPECT_FALSE(mine.try_lock());
  theirs.unlock();
}

TEST_F(MutexTest, OneObjectKeepsThreadsApart) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  int count = 0;
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      const std::lock_guard lock{mutex};
      ++count;
    }
  };
  auto other = std::async(std::launch::async, work);
  work();
  other.get();
  EXPECT_EQ(count, 400);
}

TEST_F(MutexTest, StdLockTakesTwoInOppositeOrdersWithoutDeadlock) {
  Two clients{server};
  std::atomic<int> inside{0};
  const auto work = [&](Client& client, bool turned) {
    Mutex a{client, turned ? "two" : "one"};
    Mutex b{client, turned ? "one" : "two"};
    for (int i = 0; i < 50; ++i) {
      std::lock(a, b);
      EXPECT_EQ(inside.fetch_add(1), 0);
      EXPECT_EQ(inside.fetch_sub(1), 1);
      b.unlock();
      a.unlock();
      const std::scoped_lock both{a, b};
      EXPECT_EQ(inside.fetch_add(1), 0);
      EXPECT_EQ(inside.fetch_sub(1), 1);
    }
  };
  auto other = std::async(std::launch::async, work, std::ref(clients.there), true);
  auto third = std::async(std::launch::async, work, std::ref(clients.here), true);
  work(clients.here, false);
  other.get();
  third.get();
}

TEST_F(MutexTest, ATimedLockWaitsNoLongerThanItMay) {
  Two clients{server};
  Mutex mine{clients.here, "m"};
  Mutex theirs{clients.there, "m"};
  mine.lock();
  auto begin = SteadyClock::now();
  EXPECT_FALSE(theirs.try_lock_for(100ms));
  EXPECT_GE(SteadyClock::now() - begin, 100ms);
  begin = SteadyClock::now();
  EXPECT_FALSE(theirs.try_lock_until(begin + 100ms));
  EXPECT_GE(SteadyClock::now() - begin, 100ms);
  EXPECT_FALSE(theirs.try_lock_until(std::chrono::system_clock::now() - 1h));
  const std::unique_lock timed{theirs, 10ms};
  EXPECT_FALSE(timed);
  mine.unlock();
  EXPECT_TRUE(is_clean() || waiting("m") == 0);
}

TEST_F(MutexTest, LockingTwiceIsAnErrorThatSaysSo) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  mutex.lock();
  const auto all = {
      std::function<void()>{[&] { mutex.lock(); }},
      std::function<void()>{[&] { (void)mutex.try_lock(); }},
      std::function<void()>{[&] { (void)mutex.try_lock_for(1h); }},
      std::function<void()>{[&] { (void)mutex.acquire(); }},
      std::function<void()>{[&] { (void)mutex.try_acquire(); }},
      std::function<void()>{[&] { (void)mutex.try_acquire_for(1h); }},
  };
  for (const auto& again : all) {
    EXPECT_EQ(reason_of(again), errc::usage);
    EXPECT_THAT(words_of(again), HasSubstr("this thread holds the lock"));
    EXPECT_THAT(words_of(again), HasSubstr("RecursiveMutex"));
  }
  EXPECT_TRUE(holds("m", mutex.lease()));
  mutex.unlock();
  mutex.lock();
  mutex.unlock();
}

TEST_F(MutexTest, AnUnlockedMutexHasNoLease) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  EXPECT_EQ(reason_of([&] { (void)mutex.lease(); }), errc::usage);
  mutex.unlock();  // nothing to give back
  mutex.lock();
  const auto fence = mutex.lease().fence();
  mutex.unlock();
  EXPECT_EQ(reason_of([&] { (void)mutex.lease(); }), errc::usage);
  mutex.lock();
  EXPECT_GT(mutex.lease().fence(), fence);
  mutex.unlock();
}

TEST_F(MutexTest, DestroyingALockedMutexReleases) {
  Client client{server.url()};
  {
    Mutex mutex{client, "m"};
    mutex.lock();
    EXPECT_FALSE(is_free("m"));
  }
  EXPECT_TRUE(is_free("m"));
}

TEST_F(MutexTest, ALeaseIsIndependentOfItsMutex) {
  Client client{server.url()};
  Lease lease;
  {
    Mutex mutex{client, "m"};
    lease = mutex.acquire();
    EXPECT_EQ(reason_of([&] { (void)mutex.lease(); }), errc::usage);
  }
  lease.ensure_held();
  EXPECT_TRUE(holds("m", lease));
}

TEST_F(MutexTest, AMutexGoesOnAfterItsLeaseWasLost) {
  Client client{server.url()};
  Mutex mutex{client, "m", {.ttl = 300ms}};
  mutex.lock();
  server.command({"DEL", "m"});
  ASSERT_TRUE(eventually([&] { return !mutex.lease().held(); }));
  mutex.unlock();
  mutex.lock();
  EXPECT_TRUE(holds("m", mutex.lease()));
  mutex.unlock();
}

}  // namespace

}  // namespace dlock::test
