// Waiters: every wait is answered once, and ends in time.
#include "core/engine/waiters.hpp"

#include <gtest/gtest.h>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

struct Lock {
  WaiterQueue waiters;
};

class WaitersTest : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + 1h + when; }

  void enter(WaiterId id, std::optional<Instant> deadline = {}) {
    waiters.enter({}, lock, id, {.key = "job", .deadline = deadline});
  }
  void refuse(WaiterId id, Refusal::Kind kind = Refusal::Kind::cancelled) {
    waiters.refuse(*lock, waiters.find(id)->waiter, {id, kind, {}, {}});
  }

  Output output;
  Waiters<Lock> waiters{output};
  std::shared_ptr<Lock> lock = std::make_shared<Lock>();
};

TEST_F(WaitersTest, TheFirstToComeIsTheFirstServed) {
  enter(7);
  enter(3);
  waiters.hand_to_front({}, *lock, nullptr, {});
  ASSERT_EQ(output.actions.size(), 1u);
  EXPECT_EQ(std::get<Obtained>(output.actions[0]).waiter, 7u);
  EXPECT_EQ(lock->waiters.front().id, 3u);
  EXPECT_EQ(waiters.find(7), nullptr);
}

TEST_F(WaitersTest, ARefusedWaitLeavesTheQueueWhereverItStands) {
  enter(1);
  enter(2);
  enter(3);
  refuse(2);
  EXPECT_EQ(std::get<Refusal>(output.actions.at(0)).waiter, 2u);
  EXPECT_EQ(lock->waiters.size(), 2u);
  EXPECT_EQ(waiters.ids(), (std::vector<WaiterId>{1, 3}));
}

TEST_F(WaitersTest, TheNextToEndIsTheOneWithTheEarliestDeadline) {
  enter(1, at(3s));
  enter(2, at(1s));
  enter(3);
  EXPECT_EQ(waiters.next_deadline(), at(1s));
  EXPECT_EQ(waiters.next_to_end().waiter->id, 2u);
}

TEST_F(WaitersTest, AWaitThatEndedHasNoDeadline) {
  enter(1, at(1s));
  enter(2, at(2s));
  refuse(2);
  waiters.hand_to_front({}, *lock, nullptr, {});
  EXPECT_EQ(waiters.next_deadline(), std::nullopt);
}

TEST_F(WaitersTest, RefusalsByTimeOutAreCounted) {
  enter(1, at(1s));
  enter(2, at(1s));
  enter(3);
  refuse(1, Refusal::Kind::timed_out);
  refuse(2, Refusal::Kind::timed_out);
  refuse(3);
  EXPECT_EQ(output.statistics->stats().timed_out, 2u);
}

}  // namespace
}  // namespace dlock::core
