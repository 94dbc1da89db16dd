// SharedMutex: readers together, writers alone, and fair to both.
#include <atomic>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

// The standard's requirements on a mutex (SharedTimedMutex, for which there is no concept).
template <class M>
concept BasicLockable = requires(M m) {
  m.lock();
  { m.unlock() } noexcept;
};
template <class M>
concept TimedLockable = BasicLockable<M> && requires(M m) {
  { m.try_lock() } -> std::same_as<bool>;
  { m.try_lock_for(1ms) } -> std::same_as<bool>;
  { m.try_lock_until(SteadyClock::now()) } -> std::same_as<bool>;
};
template <class M>
concept SharedTimedLockable = TimedLockable<M> && requires(M m) {
  m.lock_shared();
  { m.unlock_shared() } noexcept;
  { m.try_lock_shared() } -> std::same_as<bool>;
  { m.try_lock_shared_for(1ms) } -> std::same_as<bool>;
  { m.try_lock_shared_until(SteadyClock::now()) } -> std::same_as<bool>;
};
static_assert(SharedTimedLockable<SharedMutex>);
static_assert(TimedLockable<Mutex> && TimedLockable<RecursiveMutex>);
static_assert(!SharedTimedLockable<Mutex>, "a Mutex has no readers");
static_assert(!std::is_copy_constructible_v<SharedMutex> && !std::is_copy_constructible_v<Lease>);
static_assert(std::is_nothrow_move_constructible_v<UpgradeableLease>);
static_assert(!std::is_copy_constructible_v<UpgradeableLease>);

class SharedMutexes : public ClientTest {};

TEST_F(SharedMutexes, ReadersHoldItTogetherAndAWriterAlone) {
  Client client{server.url()};
  Client there{server.url()};
  SharedMutex mutex{client, "doc"};
  SharedMutex same{there, "doc"};
  {
    std::shared_lock one{mutex};
    std::shared_lock two{same};
    auto other = std::async(std::launch::async, [&] { return same.try_acquire().has_value(); });
    EXPECT_FALSE(other.get());
  }
  std::unique_lock writer{mutex};
  EXPECT_FALSE(same.try_lock());
  EXPECT_FALSE(same.try_lock_shared());
  EXPECT_FALSE(same.try_lock_shared_for(5ms));
  EXPECT_FALSE(same.try_lock_until(std::chrono::system_clock::now()));
  EXPECT_GT(mutex.lease().fence(), 0);
}

TEST_F(SharedMutexes, TheStandardsLocksWork) {
  Client client{server.url()};
  SharedMutex a{client, "a"};
  SharedMutex b{client, "b"};
  {
    std::scoped_lock both{a, b};
  }
  {
    std::shared_lock timed{a, 100ms};
    EXPECT_TRUE(timed);
    EXPECT_EQ(reason_of([&] { a.lock(); }), errc::usage) << "it would wait for itself";
    EXPECT_EQ(reason_of([&] { a.lock_shared(); }), errc::usage);
  }
  std::unique_lock tries{a, std::try_to_lock};
  EXPECT_TRUE(tries);
}

TEST_F(SharedMutexes, ThreadsOfOneObjectReadTogether) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  std::shared_lock mine{mutex};
  std::jthread{[&] {
    std::shared_lock yours{mutex};
    EXPECT_GT(mutex.lease().fence(), 0);
  }}.join();
  mutex.lease().ensure_held();
}

TEST_F(SharedMutexes, ReadersBehindAWaitingWriterWaitAndThenEnterTogether) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  (void)mutex.reader().acquire();  // the server knows the scripts from here on
  auto reader = mutex.reader().acquire();
  auto writer = std::async(std::launch::async, [&] { return mutex.acquire(); });
  ASSERT_TRUE(come_to_wait("doc", 1));
  EXPECT_FALSE(mutex.reader().try_acquire()) << "a writer waits";
  std::vector<std::future<Lease>> readers;
  for (int i = 0; i < 5; ++i) {
    readers.push_back(std::async(std::launch::async, [&] { return mutex.reader().acquire(); }));
  }
  ASSERT_TRUE(come_to_wait("doc", 6));
  const auto before = client.stats().commands;
  reader.release();
  auto lease = writer.get();
  EXPECT_EQ(waiting("doc"), 5);
  lease.release();
  std::vector<Lease> leases;
  for (auto& one : readers) leases.push_back(one.get());
  EXPECT_EQ(client.stats().commands - before, 2U) << "each was granted what it waited for";
  EXPECT_EQ(server.command({"ZSCORE", "doc", "=used"}), "-5");
}

TEST_F(SharedMutexes, AWriterSeesWhatWritersBeforeItWrote) {
  int value = 0;  // only the lock guards it: the thread sanitizer must see no order but the lock's
  std::mutex order;
  std::atomic<int> readers_together{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] {
        Client client{server.url()};
        SharedMutex mutex{client, "doc"};
        for (int round = 0; round < 20; ++round) {
          if (i % 3 == 0) {
            std::unique_lock lock{mutex};
            const std::lock_guard fence{order};
            ++value;
          } else {
            std::shared_lock lock{mutex};
            ++readers_together;
            const std::lock_guard fence{order};
            EXPECT_GE(value, 0);
          }
        }
      });
    }
  }
  EXPECT_EQ(value, 40);
  EXPECT_EQ(readers_together, 80);
}

TEST_F(SharedMutexes, AWaitingWriterThatDiedDoesNotHoldUpReadersForLong) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  const auto reader = mutex.reader().acquire();
  // A writer's queue entry whose client is gone.
  const auto token = "dlock1:00000000000000aa:" + std::string(32, 'b') + ":3000:1073741824";
  const auto fastest = fastest_of(3, [&] {
    const auto us = std::stoll(server.command({"TIME"})) * 1'000'000;
    server.command({"ZADD", core::lock_keys("doc").queue, std::to_string(us), token});
    EXPECT_TRUE(mutex.reader().try_acquire_for(10s));
  });
  EXPECT_LT(fastest, 2s);
}

TEST_F(SharedMutexes, AWriterGoesOnAsAReaderAndNobodyWritesInBetween) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  auto writer = mutex.acquire();
  const auto first = writer.fence();
  auto reader_behind = std::async(std::launch::async, [&] { return mutex.reader().acquire(); });
  ASSERT_TRUE(come_to_wait("doc", 1));
  auto other = std::async(std::launch::async, [&] { return mutex.acquire(); });
  ASSERT_TRUE(come_to_wait("doc", 2));
  auto reader = mutex.downgrade(std::move(writer));
  EXPECT_FALSE(writer);  // NOLINT(bugprone-use-after-move): used up
  EXPECT_GT(reader.fence(), first);
  auto behind = reader_behind.get();
  EXPECT_EQ(waiting("doc"), 1) << "the writer waits for both";
  reader.release();
  behind.release();
  EXPECT_GT(other.get().fence(), reader.fence());
}

TEST_F(SharedMutexes, ADowngradeOfALostLeaseIsALoss) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  auto writer = mutex.acquire();
  server.command({"DEL", "doc"});
  EXPECT_EQ(reason_of([&] { (void)mutex.downgrade(std::move(writer)); }), errc::lost);
  EXPECT_TRUE(mutex.try_acquire());
  Lease nothing;
  EXPECT_EQ(reason_of([&] { (void)mutex.downgrade(std::move(nothing)); }), errc::usage);
}

}  // namespace

}  // namespace dlock::test
