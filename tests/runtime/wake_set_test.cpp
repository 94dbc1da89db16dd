// WakeSet: how many system calls wake how many threads, and that nobody sleeps on or wakes early.
#include "runtime/wake_set.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace dlock::runtime {
namespace {

struct Sleeping {
  WakeSet set;
  std::deque<WakeSet::Sleeper> sleepers;

  WakeSet::Sleeper& add() {
    auto& sleeper = sleepers.emplace_back();
    set.add(sleeper);
    return sleeper;
  }
};

TEST(WakeSet, OneSystemCallWakesAllThatAreRaisedTogether) {
  Sleeping sleeping;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&sleeper = sleeping.add()] { WakeSet::await(sleeper, false); });
  }
  for (auto& sleeper : sleeping.sleepers) sleeping.set.raise(sleeper, 1);
  const auto batch = sleeping.set.take();
  EXPECT_EQ(batch.size(), 1U);
  WakeSet::wake(batch);
}

TEST(WakeSet, AThreadReturnsWhenItIsRaisedAndTheOthersSleepOn) {
  Sleeping sleeping;
  std::vector<std::jthread> threads;
  std::deque<std::atomic<std::uint32_t>> raised;
  for (std::uint32_t i = 0; i < 40; ++i) {  // more than one futex has room for
    threads.emplace_back([&sleeper = sleeping.add(), &is = raised.emplace_back()] {
      is = WakeSet::await(sleeper, false);
    });
  }
  for (std::uint32_t i = 0; i < threads.size(); ++i) {
    sleeping.set.raise(sleeping.sleepers[i], i + 1);
    WakeSet::wake(sleeping.set.take());
    threads[i].join();
    EXPECT_EQ(raised[i], i + 1);
    EXPECT_EQ(std::count(raised.begin(), raised.end(), 0U),
              static_cast<std::ptrdiff_t>(threads.size() - i - 1));
  }
}

TEST(WakeSet, PlacesAreUsedAgainByThreadsThatSleepAgain) {
  WakeSet set;
  std::mutex mutex;
  std::atomic<bool> ends{false};
  std::deque<WakeSet::Sleeper*> sleeping;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 2'000; ++turn) {
        WakeSet::Sleeper sleeper;
        {
          const std::lock_guard lock{mutex};
          set.add(sleeper);
          sleeping.push_back(&sleeper);
        }
        EXPECT_EQ(WakeSet::await(sleeper, false), 7U);
      }
    });
  }
  std::jthread waker{[&] {
    while (!ends) {
      WakeSet::Batch batch;
      {
        const std::lock_guard lock{mutex};
        for (auto* const sleeper : std::exchange(sleeping, {})) set.raise(*sleeper, 7);
        batch = set.take();
      }
      EXPECT_LE(batch.size(), 1U);
      WakeSet::wake(batch);
      std::this_thread::yield();
    }
  }};
  for (auto& thread : threads) thread.join();
  ends = true;
}

TEST(WakeSet, ACancelledThreadLeavesItsSleep) {
  Sleeping sleeping;
  std::atomic<bool> unwound{false};
  struct Note {
    std::atomic<bool>& is;
    ~Note() { is = true; }
  };
  std::thread thread{[&, &sleeper = sleeping.add()] {
    const Note note{unwound};
    WakeSet::await(sleeper, true);
  }};
  ::pthread_cancel(thread.native_handle());
  thread.join();
  EXPECT_TRUE(unwound);
}

}  // namespace
}  // namespace dlock::runtime
