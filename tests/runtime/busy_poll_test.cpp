// BusyPoll and PollSet::look: when a thread looks before it sleeps, and what it finds.
#include "runtime/busy_poll.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "runtime/clock.hpp"
#include "runtime/event_fd.hpp"
#include "runtime/poll_set.hpp"

namespace dlock::runtime {
namespace {

using namespace std::chrono_literals;

/// One of a thread that makes all calls.
BusyPoll of_a_lone_thread(core::Duration longest) {
  BusyPoll poll{longest};
  for (int i = 0; i < 20; ++i) poll.begin_call();
  return poll;
}

/// Of `sleeps` sleeps, how many a look comes before, if each n-th look helps.
int looks(BusyPoll& poll, int sleeps, int helps_each) {
  int count = 0;
  for (int i = 0; i < sleeps; ++i) {
    if (poll.next() > 0ns) poll.note(++count % helps_each == 0);
  }
  return count;
}

TEST(BusyPoll, LooksBeforeEachSleepWhileThatHelps) {
  auto poll = of_a_lone_thread(25us);
  EXPECT_EQ(poll.next(), 25us);
  poll.note(true);
  EXPECT_EQ(looks(poll, 1000, 1), 1000);
}

TEST(BusyPoll, HardlyLooksWhereThatNeverHelps) {
  auto poll = of_a_lone_thread(25us);
  EXPECT_LE(looks(poll, 10'000, 100'000), 10'000 / 256 + 5);
}

TEST(BusyPoll, LooksLessWhereThatHelpsHalfOfTheTime) {
  auto poll = of_a_lone_thread(25us);
  EXPECT_LT(looks(poll, 10'000, 2), 10'000 / 4);
}

TEST(BusyPoll, LooksAgainSoonAfterItHelpsAgain) {
  auto poll = of_a_lone_thread(25us);
  looks(poll, 10'000, 100'000);
  looks(poll, 600, 1);
  EXPECT_EQ(looks(poll, 100, 1), 100);
}

TEST(BusyPoll, NeverLooksForNoTime) {
  auto poll = of_a_lone_thread(0us);
  EXPECT_EQ(looks(poll, 100, 1), 0);
}

TEST(BusyPoll, LooksOnlyIfOneThreadMakesAllCalls) {
  BusyPoll poll{25us};
  poll.begin_call();
  EXPECT_EQ(poll.next(), 0us) << "others may come";
  for (int i = 0; i < 20; ++i) poll.begin_call();
  EXPECT_EQ(poll.next(), 25us);
  std::jthread{[&] { poll.begin_call(); }}.join();
  EXPECT_EQ(poll.next(), 0us);
  for (int i = 0; i < 10; ++i) {
    poll.begin_call();
    EXPECT_EQ(poll.next(), 0us);
  }
  for (int i = 0; i < 20; ++i) poll.begin_call();
  EXPECT_EQ(poll.next(), 25us);
}

TEST(PollSet, ALookFindsWhatIsReadyAndEndsWithoutIt) {
  EventFd wake;
  EventFd other;
  PollSet set;
  set.add(other.fd(), false, {});
  const auto before = now();
  EXPECT_FALSE(set.look(wake, 2ms));
  EXPECT_GE(now() - before, 2ms);
  EXPECT_FALSE(set.is_ready(0));

  other.notify();
  EXPECT_TRUE(set.look(wake, 1h));
  EXPECT_TRUE(set.is_ready(0));

  other.clear();
  wake.notify();
  EXPECT_TRUE(set.look(wake, 1h));
  EXPECT_FALSE(set.is_ready(0));
  EXPECT_FALSE(set.look(wake, 1us)) << "it has taken the wake-up";
}

TEST(PollSet, ALookEndsWhenAnotherThreadWakesIt) {
  EventFd wake;
  PollSet set;
  const std::jthread waker{[&] {
    std::this_thread::sleep_for(5ms);
    wake.notify();
  }};
  EXPECT_TRUE(set.look(wake, 1h));
}

}  // namespace
}  // namespace dlock::runtime
