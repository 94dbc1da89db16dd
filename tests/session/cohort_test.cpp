// Many threads of one client on one name: they exclude each other, pass the lock on among
// themselves, and let others have their turn.
#include <atomic>
#include <future>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

using Cohort = ClientTest;

TEST_F(Cohort, ThirtyTwoThreadsCountWithoutAnAtomic) {
  Client client{server.url()};
  constexpr int rounds = 50;
  int count = 0;
  std::vector<std::int64_t> fences;
  std::latch start{32};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 32; ++i) {
      threads.emplace_back([&] {
        Mutex mutex{client, "m"};
        start.arrive_and_wait();
        for (int round = 0; round < rounds; ++round) {
          const std::lock_guard lock{mutex};
          ++count;
          fences.push_back(mutex.lease().fence());
        }
      });
    }
  }
  EXPECT_EQ(count, 32 * rounds);
  EXPECT_TRUE(std::ranges::is_sorted(fences, std::less_equal<>{})) << "strictly growing";
  const auto stats = client.stats();
  EXPECT_EQ(stats.acquired, 32U * rounds);
  EXPECT_EQ(stats.released, 32U * rounds);
  EXPECT_GT(stats.passed, 32U * rounds / 2) << "most need no network";
}

TEST_F(Cohort, NoMoreThanSixtyThreeArePassedToWithoutAskingTheServer) {
  Client client{server.url()};
  std::vector<std::int64_t> fences;
  {
    std::vector<std::jthread> threads;
    std::latch start{8};
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        Mutex mutex{client, "m"};
        start.arrive_and_wait();
        for (int round = 0; round < 100; ++round) {
          const std::lock_guard lock{mutex};
          fences.push_back(mutex.lease().fence());
        }
      });
    }
  }
  std::int64_t same = 0;
  for (std::size_t i = 1; i < fences.size(); ++i) {
    ASSERT_LT(fences[i - 1], fences[i]);
    const bool passed = fences[i] / 64 == fences[i - 1] / 64;
    same = passed ? same + 1 : 0;
    EXPECT_LE(same, 63);
    EXPECT_TRUE(!passed || fences[i] == fences[i - 1] + 1);
  }
  EXPECT_EQ(client.stats().acquired, 800U);
}

TEST_F(Cohort, AnotherClientHasItsTurnAmongBusyThreads) {
  Client busy{server.url()};
  Client other{server.url()};
  std::atomic<bool> ends{false};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      Mutex mutex{busy, "m"};
      while (!ends) {
        const std::lock_guard lock{mutex};
      }
    });
  }
  while (busy.stats().passed == 0) std::this_thread::yield();  // they are at it
  Mutex mutex{other, "m"};
  for (int turn = 0; turn < 20; ++turn) {
    EXPECT_TRUE(mutex.try_lock_for(60s));
    mutex.unlock();
  }
  EXPECT_EQ(other.stats().acquired, 20U);
  EXPECT_GE(other.stats().granted, 10U);
  ends = true;
}

TEST_F(Cohort, LongHoldsArePassedOnForATenthOfASecondOnly) {
  Client busy{server.url()};
  Client other{server.url()};
  std::atomic<bool> ends{false};
  std::vector<std::int64_t> fences;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Mutex mutex{busy, "m"};
      while (!ends) {
        const std::lock_guard lock{mutex};
        fences.push_back(mutex.lease().fence());
        std::this_thread::sleep_for(60ms);  // work
      }
    });
  }
  for (int turn = 0; turn < 3; ++turn) {
    const DistributedLock lock{other, "m"};
  }
  ends = true;
  threads.clear();
  for (std::size_t i = 0; i < fences.size(); ++i) {
    EXPECT_LE(fences[i] % 64, 1) << "the second hold of 60 ms each ends after 100 ms";
  }
}

TEST_F(Cohort, DifferentOptionsShareOneName) {
  Client client{server.url()};
  int count = 0;
  const std::vector<LockOptions> options{
      {.ttl = 30s}, {.ttl = 10s}, {.ttl = 5s, .renew = false}, {.ttl = 30s, .max_hold = 1h}};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        Mutex mutex{client, "m", options[i % 4]};
        for (int round = 0; round < 50; ++round) {
          const std::lock_guard lock{mutex};
          ++count;
          EXPECT_LE(mutex.lease().valid_for(), options[i % 4].ttl);
          EXPECT_GT(mutex.lease().valid_for(), 1s);
        }
      });
    }
  }
  EXPECT_EQ(count, 400);
}

}  // namespace

}  // namespace dlock::test
