// The scripts by example: taking, renewing, giving back and breaking a lease; its fence.
#include "script/fixture.hpp"

namespace dlock::test {

namespace {

class LeaseScripts : public ScriptTest {
 protected:
  const std::string owner = make_token(100, 0);
  const std::string other = make_token(101, 0);
};

TEST_F(LeaseScripts, ARepeatOfAnAcquireSetsTheFullExpiryAgainAndKeepsTheFence) {
  const auto fence = hold(owner, 10s);
  pass(9s);
  EXPECT_EQ(hold(owner, 10s), fence);
  EXPECT_EQ(state().pttl, 10000);
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(LeaseScripts, ARepeatOfAnAcquireLeavesTheQueue) {
  hold(other);
  const auto token = waiter(1);
  queue(token);
  release(other);
  store.command({"ZADD", Store::queue_key(lock), "1", token});
  hold(token);
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(LeaseScripts, ATryDoesNotQueue) {
  hold(owner, 10s);
  EXPECT_EQ(try_acquire(other), "busy 10000");
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(LeaseScripts, ReleasesOnlyForTheHoldersToken) {
  hold(owner);
  EXPECT_EQ(release(other), "not_held");
  // The same but for the end: a token that is the beginning of the holder's is another one.
  EXPECT_EQ(release(owner.substr(0, owner.size() - 1)), "not_held");
  EXPECT_EQ(release(owner + ":1"), "not_held");
  EXPECT_EQ(holder(), owner);
  EXPECT_EQ(release(owner), "released");
  EXPECT_EQ(holder(), "nobody");
  EXPECT_EQ(release(owner), "not_held");
}

TEST_F(LeaseScripts, ALateCopyOfAnAcquireIsUndoneByAnotherRelease) {
  hold(owner);
  const auto next = waiter(1);
  release(owner);
  acquire(owner);
  EXPECT_EQ(holder(), owner);
  queue(next);
  EXPECT_EQ(release(owner), "released");
  EXPECT_EQ(holder(), next);
}

TEST_F(LeaseScripts, ALateCopyOfAWaitIsUndoneByAnotherRelease) {
  hold(owner);
  const auto late = waiter(1);
  queue(late);
  release(late);
  queue(late);
  EXPECT_EQ(release(late), "not_held");
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(LeaseScripts, ARenewalExtends) {
  hold(owner, 10s);
  pass(9s);
  EXPECT_EQ(renew(owner, 10s), "echo k");
  EXPECT_EQ(state().pttl, 10000);
}

TEST_F(LeaseScripts, ARenewalNeverShortens) {
  hold(owner, 10s);
  EXPECT_EQ(renew(owner, 1s), "echo k");
  EXPECT_EQ(state().pttl, 10000);
}

TEST_F(LeaseScripts, AnExpiryThatWasTakenOffComesBack) {
  const auto counter = hold(owner, 10s);
  for (const int sequence : {0, 1}) {
    store.command({"PERSIST", lock});
    EXPECT_EQ(renew(owner, 2s, sequence), "echo k");
    EXPECT_EQ(state().pttl, 2000);
  }
  store.command({"PERSIST", lock});
  EXPECT_THAT(store.write_fence(lock, owner, 3s, counter + 1), testing::EndsWith(" written"));
  EXPECT_EQ(state().pttl, 3000);
}

TEST_F(LeaseScripts, ARenewalWritesInAnyCaseSoThatItCanBeWaitedForAtReplicas) {
  hold(owner, 10s);
  for (const auto ttl : {10s, 1s}) {
    const auto before = store.changes();
    EXPECT_EQ(renew(owner, ttl), "echo k");
    EXPECT_GT(store.changes(), before);
    EXPECT_EQ(state().pttl, 10000);
  }
}

TEST_F(LeaseScripts, ARenewalRecordsAHandOffInsideTheProcess) {
  const auto counter = hold(owner, 10s);
  pass(1s);
  renew(owner, 5s, 3);
  EXPECT_EQ(state().value, owner + ':' + std::to_string(counter) + ":3");
  EXPECT_EQ(state().pttl, 9000);
}

TEST_F(LeaseScripts, ARenewalOfManyAnswersForEach) {
  hold(owner, 10s);
  store.acquire({.key = "second", .token = other, .ttl = 10s});
  store.command({"RPUSH", "third", "not a lock"});
  EXPECT_EQ(store.renew("12345678", {{lock, owner, 20s, 0},
                                     {"second", owner, 20s, 0},
                                     {"third", owner, 20s, 0},
                                     {"fourth", owner, 20s, 0},
                                     {"second", other, 30s, 0}}),
            "12345678 kttlk");
  EXPECT_EQ(state().pttl, 20000);
  EXPECT_EQ(store.state("second").pttl, 30000);
}

TEST_F(LeaseScripts, AnExpiredLeaseIsNotRenewed) {
  hold(owner, 10s);
  pass(10s + 1ms);
  EXPECT_EQ(renew(owner, 10s), "echo l");
  EXPECT_EQ(holder(), "nobody");
}

TEST_F(LeaseScripts, AWrittenFenceIsInTheLockAndAboveItTheNextOne) {
  const auto counter = hold(owner, 10s);
  renew(owner, 10s, 3);
  const auto written = counter + 1'000'000'000;
  EXPECT_EQ(store.write_fence(lock, owner, 20s, written), owner.substr(24, 8) + " written");
  EXPECT_EQ(state().value, owner + ':' + std::to_string(written) + ":3");
  EXPECT_EQ(state().pttl, 20000);
  EXPECT_EQ(store.write_fence(lock, owner, 1s, written), owner.substr(24, 8) + " written");
  EXPECT_EQ(state().pttl, 20000);
  release(owner);
  EXPECT_EQ(hold(other), written + 1);
}

TEST_F(LeaseScripts, AWrittenFenceNeverPutsTheCounterBack) {
  const auto counter = hold(owner, 10s);
  const auto before = store.command({"GET", Store::fence_key});
  store.write_fence(lock, owner, 10s, counter - 10);
  EXPECT_EQ(store.command({"GET", Store::fence_key}), before);
  EXPECT_EQ(state().value, owner + ':' + std::to_string(counter - 10) + ":0");
}

TEST_F(LeaseScripts, OnlyAHolderWritesAFence) {
  hold(owner, 10s);
  const auto before = store.command({"GET", Store::fence_key});
  EXPECT_EQ(store.write_fence(lock, other, 10s, 9'000'000'000'000'000),
            other.substr(24, 8) + " lost");
  EXPECT_EQ(store.command({"GET", Store::fence_key}), before);
  store.command({"DEL", lock});
  store.command({"RPUSH", lock, "not a lock"});
  EXPECT_EQ(store.write_fence(lock, owner, 10s, 9'000'000'000'000'000),
            owner.substr(24, 8) + " lost");
}

TEST_F(LeaseScripts, BreakingTakesTheLockOnlyFromTheHolderWithThatFence) {
  const auto counter = hold(owner);
  renew(owner, 30s, 2);
  EXPECT_EQ(store.break_(lock, counter - 1, 2, false), "not_holder");
  EXPECT_EQ(store.break_(lock, counter, 1, false), "not_holder");
  EXPECT_EQ(store.break_("free", counter, 2, false), "not_holder");
  EXPECT_EQ(holder(), owner);
  EXPECT_EQ(store.break_(lock, counter, 2, false), "broken");
  EXPECT_EQ(holder(), "nobody");
}

TEST_F(LeaseScripts, BreakingPassesTheLockOn) {
  const auto counter = hold(owner);
  const auto next = waiter(1);
  queue(next);
  EXPECT_EQ(store.break_(lock, counter, 0, false), "broken");
  EXPECT_EQ(holder(), next);
}

TEST_F(LeaseScripts, BreakingAsksTheHoldersProcessFirst) {
  const auto token = waiter(1);
  const auto counter = hold(token);
  EXPECT_EQ(store.break_(lock, counter - 1, 5, true), "not_holder");
  EXPECT_EQ(store.break_(lock, counter, 5, true), "asked 1");
  EXPECT_THAT(ear(1).take(), ElementsAre("break " + token + ' ' + std::to_string(counter) + " 5"));
  EXPECT_EQ(holder(), token);
  ear(1).unsubscribe();
  EXPECT_EQ(store.break_(lock, counter, 5, true), "asked 0");
}

class Fence : public LeaseScripts {
 protected:
  std::int64_t held_for_a_moment() {
    const auto fence = hold(owner);
    release(owner);
    return fence;
  }
};

TEST_F(Fence, IsTheServersTimeInMicroseconds) {
  EXPECT_EQ(held_for_a_moment(), store.clock().now().count());
}

TEST_F(Fence, GrowsWhileTheClockStandsStill) {
  const auto before = held_for_a_moment();
  EXPECT_EQ(held_for_a_moment(), before + 1);
}

TEST_F(Fence, GrowsWhenTheClockStepsBack) {
  const auto before = held_for_a_moment();
  pass(-3600s);
  EXPECT_EQ(held_for_a_moment(), before + 1);
}

TEST_F(Fence, GrowsOverAGrant) {
  const auto before = hold(owner);
  queue(waiter(1));
  release(owner);
  EXPECT_GT(store.fence(), before);
  EXPECT_THAT(state().value, HasSubstr(':' + std::to_string(store.fence()) + ':'));
}

TEST_F(Fence, GrowsOverFlushAllAndTheDeletionOfAKey) {
  auto before = held_for_a_moment();
  for (const auto* what : {"everything", "the lock", "the fence"}) {
    hold(owner);
    if (what == std::string{"everything"}) store.command({"FLUSHALL"});
    if (what == std::string{"the lock"}) store.command({"DEL", lock});
    if (what == std::string{"the fence"}) store.command({"DEL", lock, Store::fence_key});
    pass(10ms);
    const auto after = held_for_a_moment();
    EXPECT_GT(after, before) << what;
    before = after;
  }
}

TEST_F(Fence, GrowsOverARestartWithoutPersistenceAlsoWhenAGrantComesFirst) {
  const auto before = hold(owner);
  store.server().kill9();
  store.server().restart();
  store.reconnect();
  pass(1s);
  store.command({"SET", lock, "foreign"});
  queue(waiter(1));
  store.command({"DEL", lock});
  release(owner);
  EXPECT_EQ(holder(), waiter(1));
  EXPECT_GT(store.fence(), before);
}

}  // namespace

}  // namespace dlock::test
