// References that a thread got from a shared object stay valid for that thread.
#include <atomic>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class References : public ClientTest {
 protected:
  /// Threads that lock and unlock `mutex` as readers, again and again, until they are told to end.
  class Readers {
   public:
    explicit Readers(SharedMutex& mutex) {
      for (int i = 0; i < 4; ++i) {
        threads_.emplace_back([this, &mutex](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            const std::shared_lock lock{mutex};
            const Lease& mine = mutex.lease();
            const auto fence = mine.fence();
            ++rounds_;
            std::this_thread::yield();
            EXPECT_EQ(&mutex.lease(), &mine);
            EXPECT_EQ(mine.fence(), fence);
            EXPECT_TRUE(mine.held());
          }
        });
      }
    }
    [[nodiscard]] int rounds() const { return rounds_; }

   private:
    std::atomic<int> rounds_{0};
    std::vector<std::jthread> threads_;
  };
};

TEST_F(References, ALeaseIsTheThreadsOwnWhateverOthersDoWithTheObject) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  const std::shared_lock lock{mutex};
  const Lease& mine = mutex.lease();
  const auto fence = mine.fence();
  const auto token = mine.token();
  const Readers others{mutex};
  EXPECT_TRUE(eventually([&] { return others.rounds() > 200; }));
  EXPECT_EQ(&mutex.lease(), &mine);
  EXPECT_EQ(mine.fence(), fence);
  EXPECT_EQ(mine.token(), token);
  mine.ensure_held();
}

TEST_F(References, TheFirstUnlockLeavesTheLeasesOfTheOthers) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  std::promise<void> locked;
  std::promise<void> unlock;
  std::jthread first{[&] {
    const std::shared_lock lock{mutex};
    locked.set_value();
    unlock.get_future().get();
  }};
  locked.get_future().get();
  const std::shared_lock lock{mutex};
  const Lease& mine = mutex.lease();
  const auto fence = mine.fence();
  unlock.set_value();
  first.join();
  EXPECT_EQ(mine.fence(), fence);
  mine.ensure_held();
}

TEST_F(References, AThreadThatDidNotLockGetsNoLease) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  RecursiveMutex recursive{client, "r"};
  SharedMutex read{client, "s"};
  SharedMutex written{client, "w"};
  const std::scoped_lock alone{mutex, recursive, written};
  const std::shared_lock shared{read};
  std::jthread{[&] {
    EXPECT_EQ(reason_of([&] { (void)mutex.lease(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)recursive.lease(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)read.lease(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)written.lease(); }), errc::usage);
  }}.join();
  EXPECT_TRUE(mutex.lease().held() && recursive.lease().held() && read.lease().held() &&
              written.lease().held());
}

TEST_F(References, ALockThatMovesToAnotherThreadIsUnlockedThere) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  std::unique_lock lock{mutex};
  const Lease& before = mutex.lease();
  std::jthread{[&, moved = std::move(lock)]() mutable {
    mutex.adopt();
    EXPECT_EQ(&mutex.lease(), &before);
    EXPECT_EQ(reason_of([&] { mutex.lock(); }), errc::usage);
    moved.unlock();
    EXPECT_TRUE(is_free("m"));
    EXPECT_EQ(reason_of([&] { mutex.adopt(); }), errc::usage);
  }}.join();
  EXPECT_EQ(reason_of([&] { (void)mutex.lease(); }), errc::usage);
}

TEST_F(References, ALockThatMovedMayWaitAtACondition) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  ConditionVariable condition{client, "m"};
  std::unique_lock lock{mutex};
  std::jthread{[&, moved = std::move(lock)]() mutable {
    EXPECT_EQ(condition.wait_for(moved, 1ms), std::cv_status::timeout);
    EXPECT_TRUE(holds("m", mutex.lease()));
  }}.join();
  EXPECT_TRUE(is_free("m"));
}

TEST_F(References, AnUnlockFromElsewhereTakesNoReadersOwn) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  std::promise<void> locked;
  std::promise<void> unlocked;
  auto reader = std::async(std::launch::async, [&, go = unlocked.get_future()] {
    const std::shared_lock lock{mutex};
    const Lease& mine = mutex.lease();
    locked.set_value();
    go.wait();
    EXPECT_EQ(&mutex.lease(), &mine);
    mutex.lease().ensure_held();
  });
  locked.get_future().get();
  std::shared_lock<SharedMutex> moved;
  std::jthread{[&] { moved = std::shared_lock{mutex}; }}.join();
  moved.unlock();  // the reader came first, and is still there
  unlocked.set_value();
  EXPECT_NO_THROW(reader.get());
  EXPECT_TRUE(mutex.try_acquire()) << "the last who unlocked took along what had been given back";
}

TEST_F(References, AThreadThatHoldsASharedMutexGetsNoMoreOfIt) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  const auto refuses_all = [&] {
    EXPECT_EQ(reason_of([&] { (void)mutex.acquire(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.try_acquire(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.try_acquire_for(10s); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.try_acquire_until(SteadyClock::now() + 10s); }),
              errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.reader().acquire(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.reader().try_acquire(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.reader().try_acquire_for(10s); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.acquire_upgradeable(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.try_acquire_upgradeable(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.try_acquire_upgradeable_for(10s); }), errc::usage);
    EXPECT_EQ(reason_of([&] { mutex.lock(); }), errc::usage);
    EXPECT_EQ(reason_of([&] { (void)mutex.try_lock_shared(); }), errc::usage);
  };
  {
    const std::unique_lock lock{mutex};
    refuses_all();
  }
  {
    const std::shared_lock lock{mutex};
    refuses_all();
    std::jthread{[&] { EXPECT_TRUE(mutex.reader().try_acquire()); }}.join();
  }
  EXPECT_TRUE(mutex.try_acquire());
}

TEST_F(References, AThreadThatHasLockedItIsToldAtOnceOfAnotherObject) {
  Client client{server.url()};
  Mutex mutex{client, "m"};
  Mutex again{client, "m"};
  {
    const std::lock_guard lock{mutex};
    EXPECT_THAT(words_of([&] { again.lock(); }), HasSubstr("this thread holds the lock \"m\""));
    EXPECT_EQ(reason_of([&] { (void)again.acquire(); }), errc::deadlock);
    EXPECT_EQ(reason_of([&] { (void)DistributedLock(client, "m"); }), errc::deadlock);
    EXPECT_FALSE(again.try_lock_for(10ms)) << "that is no wait for ever";
    auto other = std::async(std::launch::async, [&] { return again.acquire(); });
    EXPECT_TRUE(eventually([&] { return other.wait_for(0s) != std::future_status::ready; }));
    mutex.unlock();
    other.get().release();
    mutex.lock();
  }
  {
    const DistributedLock lock{client, "m"};
    EXPECT_EQ(reason_of([&] { again.lock(); }), errc::deadlock);
  }
  again.lock();
  again.unlock();
  SharedMutex pages{client, "pages"};
  SharedMutex same{client, "pages"};
  {
    const std::shared_lock lock{pages};
    EXPECT_EQ(reason_of([&] { same.lock(); }), errc::deadlock);
    const std::shared_lock beside{same};
  }
  const std::unique_lock lock{pages};
  EXPECT_EQ(reason_of([&] { same.lock_shared(); }), errc::deadlock);
}

TEST_F(References, ALeaseThatAnotherThreadGivesBackMayBeWaitedFor) {
  Client client{server.url()};
  Lease held = Mutex{client, "m"}.acquire();
  std::promise<void> begin;
  std::jthread releases{[&] {
    begin.get_future().get();
    ASSERT_TRUE(come_to_wait("m", 0));
    held.release();
  }};
  begin.set_value();
  EXPECT_TRUE((Mutex{client, "m"}.acquire()));
}

}  // namespace
}  // namespace dlock::test
