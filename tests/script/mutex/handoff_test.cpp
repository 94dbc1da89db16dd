// The scripts by example: how the lock goes from one client to the next.
#include "script/fixture.hpp"

namespace dlock::test {

namespace {

class HandOff : public ScriptTest {
 protected:
  const std::string owner = make_token(100, 0);
  const std::string first = waiter(1);
  const std::string second = waiter(2);
  const std::string third = waiter(3);

  void SetUp() override { hold(owner); }
};

TEST_F(HandOff, WaitersAreServedInTheOrderOfTheirFirstRequest) {
  for (const auto& token : {second, third, first}) {
    queue(token);
    pass(1ms);
  }
  queue(second);
  release(owner);
  EXPECT_EQ(holder(), second);
  release(second);
  EXPECT_EQ(holder(), third);
  release(third);
  EXPECT_EQ(holder(), first);
  release(first);
  EXPECT_EQ(holder(), "nobody");
}

TEST_F(HandOff, ARepeatDoesNotEnqueueTwiceAndKeepsItsTicket) {
  const auto ticket = queue(first);
  pass(1s);
  EXPECT_EQ(queue(first), ticket);
  EXPECT_THAT(waiting(), ElementsAre(first));
}

TEST_F(HandOff, AWaiterThatComesBackWithItsTicketKeepsItsPlace) {
  const auto ticket = queue(first);
  pass(1ms);
  queue(second);
  store.command({"ZREM", Store::queue_key(lock), first});
  pass(1ms);
  const auto reply = store.acquire({.key = lock, .token = first, .ttl = 30s, .ticket = ticket});
  EXPECT_EQ(word(reply, 3), "0") << reply;
  EXPECT_THAT(waiting(), ElementsAre(first, second));
}

TEST_F(HandOff, TheReplyToAWaiterTellsWhatIsLeftItsPlaceItsTicketAndTheTime) {
  queue(first);
  pass(1s);
  const auto now = std::to_string(store.clock().now().count());
  EXPECT_EQ(acquire(second), "queued 29000 1 " + now + ' ' + now + " ours");
}

TEST_F(HandOff, AGrantIsALeaseOfTheClaimTimeAndCarriesFenceAndServerTime) {
  queue(first);
  pass(1s);
  EXPECT_EQ(release(owner), "released");
  EXPECT_EQ(state().pttl, 3000);
  EXPECT_THAT(ear(1).take(), ElementsAre("grant " + first + ' ' + std::to_string(store.fence()) +
                                         ' ' + std::to_string(store.clock().now().count())));
  EXPECT_EQ(state().value, first + ':' + std::to_string(store.fence()) + ":0");
}

TEST_F(HandOff, AShortGrantTellsTheNextInLineWhenTheClaimEnds) {
  queue(make_token(1, 1, "2499"));
  pass(1ms);
  queue(second);
  pass(1ms);
  queue(third);
  release(owner);
  EXPECT_THAT(ear(2).take(), ElementsAre("next " + second + " 2499"));
  EXPECT_THAT(ear(3).take(), IsEmpty());
}

TEST_F(HandOff, AGrantThatOutlastsTheirNextLookTellsNobodyElse) {
  queue(make_token(1, 1, "2500"));
  pass(1ms);
  queue(second);
  release(owner);
  EXPECT_THAT(ear(2).take(), IsEmpty());
}

TEST_F(HandOff, AWaiterNobodyListensForIsSkipped) {
  queue(dead_waiter(0));
  pass(1ms);
  queue(first);
  release(owner);
  EXPECT_EQ(holder(), first);
}

TEST_F(HandOff, ADashboardThatListensToEverythingDoesNotMakeAGrantLookReceived) {
  Link dashboard{store.server()};
  dashboard.ask({"PSUBSCRIBE", "*"});
  queue(dead_waiter(0));
  pass(1ms);
  queue(first);
  release(owner);
  EXPECT_EQ(holder(), first);
}

TEST_F(HandOff, AtMost64DeadWaitersArePassedOverInOneCall) {
  for (int number = 0; number < 64; ++number) queue(dead_waiter(number));
  pass(1ms);
  queue(first);
  release(owner);
  EXPECT_EQ(holder(), "nobody");
  EXPECT_THAT(waiting(), ElementsAre(first));
  EXPECT_THAT(ear(1).take(), ElementsAre("next " + first + " 0"));
  release(dead_waiter(0));
  EXPECT_EQ(holder(), first);
}

TEST_F(HandOff, A64thWaiterThatListensIsStillFoundInTheSameCall) {
  for (int number = 0; number < 63; ++number) queue(dead_waiter(number));
  pass(1ms);
  queue(first);
  release(owner);
  EXPECT_EQ(holder(), first);
}

TEST_F(HandOff, AStoppedWaiterIsSkippedWhenItWasNotHeardOfFor15Seconds) {
  queue(first);
  pass(1us);
  queue(second);
  pass(15s);
  release(owner);
  EXPECT_EQ(holder(), second);
}

TEST_F(HandOff, AWaiterThatRepeatsItsRequestStaysAlive) {
  queue(first);
  for (int i = 0; i < 5; ++i) {
    pass(5s);
    queue(first);
  }
  pass(4s);
  EXPECT_EQ(release(owner), "released");
  EXPECT_EQ(holder(), first);
}

TEST_F(HandOff, NothingIsLeftOfAQueueThatNobodyRefreshes) {
  queue(first);
  pass(5s);
  queue(first);
  EXPECT_THAT(state().seen, SizeIs(1));
  pass(20s);
  EXPECT_THAT(waiting(), SizeIs(1));
  pass(1ms);
  release(owner);
  EXPECT_EQ(store.command({"KEYS", "*"}), Store::fence_key);
}

TEST_F(HandOff, NothingIsLeftAfterTheLastWaiterHeldTheLock) {
  queue(first);
  pass(5s);
  queue(first);
  release(owner);
  release(first);
  EXPECT_EQ(store.command({"KEYS", "*"}), Store::fence_key);
}

TEST_F(HandOff, AnAcquireThatFindsTheLockFreeGrantsTheHeadNotItself) {
  queue(first);
  pass(1ms);
  store.command({"DEL", lock});
  EXPECT_THAT(acquire(second), StartsWith("queued 3000 0 "));
  EXPECT_EQ(holder(), first);
}

TEST_F(HandOff, ATryThatFindsTheLockFreeGrantsTheHeadNotItself) {
  queue(first);
  store.command({"DEL", lock});
  EXPECT_EQ(try_acquire(second), "busy 3000");
  EXPECT_EQ(holder(), first);
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(HandOff, TheHeadTakesAFreeLockForItsFullTtlAndLeavesTheQueue) {
  queue(first);
  pass(5s);
  queue(first);
  pass(1ms);
  queue(second);
  store.command({"DEL", lock});
  EXPECT_THAT(acquire(first, 20s), StartsWith("acquired "));
  EXPECT_EQ(state().pttl, 20000);
  EXPECT_THAT(waiting(), ElementsAre(second));
  EXPECT_THAT(state().seen, IsEmpty());
}

TEST_F(HandOff, AReleaseThatDoesNotHoldLeavesTheQueueAndPassesAFreeLockOn) {
  queue(first);
  pass(1ms);
  queue(second);
  EXPECT_EQ(release(first), "not_held");
  EXPECT_THAT(waiting(), ElementsAre(second));
  EXPECT_EQ(holder(), owner);
  store.command({"DEL", lock});
  EXPECT_EQ(release(first), "not_held");
  EXPECT_EQ(holder(), second);
}

TEST_F(HandOff, ARenewalThatFindsTheLockFreePassesItOn) {
  queue(first);
  store.command({"DEL", lock});
  EXPECT_EQ(renew(owner, 30s), "echo l");
  EXPECT_EQ(holder(), first);
}

TEST_F(HandOff, AYieldGivesTheLockToTheNextAndQueuesBehind) {
  const auto next_of_owner = make_token(100, 1);
  queue(first);
  pass(1ms);
  EXPECT_THAT(yield(owner, next_of_owner), StartsWith("queued 3000 0 "));
  EXPECT_EQ(holder(), first);
  EXPECT_THAT(waiting(), ElementsAre(next_of_owner));
}

TEST_F(HandOff, AYieldWithoutWaitersIsAnAcquisitionWithANewFence) {
  const auto before = store.fence();
  const auto next_of_owner = make_token(100, 1);
  const auto reply = yield(owner, next_of_owner);
  EXPECT_GT(store.fence(), before);
  EXPECT_EQ(reply, "acquired " + std::to_string(store.fence()) + " released");
  EXPECT_EQ(holder(), next_of_owner);
}

TEST_F(HandOff, AYieldOfATokenThatDoesNotHoldIsOnlyARequest) {
  queue(first);
  EXPECT_THAT(yield(make_token(100, 7), second), testing::EndsWith(" ours not_held"));
  EXPECT_EQ(holder(), owner);
  EXPECT_THAT(waiting(), ElementsAre(first, second));
}

}  // namespace

}  // namespace dlock::test
