// The scripts by example: beside clients that take and give back free locks without a script.
#include "script/fixture.hpp"

namespace dlock::test {

namespace {

class BareLocks : public ScriptTest {
 protected:
  std::string take_bare(const std::string& token, Millis ttl = 30s) {
    return store.acquire_bare(lock, token, ttl);
  }
  std::string keep(const std::string& token) {
    const auto reply =
        store.acquire({.key = lock, .token = token, .ttl = 30s, .wait = false, .keep = true});
    return reply.substr(reply.find(' ') + 1);
  }
  /// A late copy of its request put it there.
  void stands_in_the_queue(const std::string& token) {
    store.command({"ZADD", Store::queue_key(lock), "1", token});
  }
  std::string record(const std::string& token, std::int64_t counter) {
    return store.renew("echo", {{lock, token, 30s, 2, counter}});
  }

  const std::string owner = waiter(1);
  const std::string next = waiter(2);
};

TEST_F(BareLocks, TheRepliesTellWhetherTheTokenHasIt) {
  EXPECT_EQ(take_bare(owner), "OK " + owner + " 1 0");
  EXPECT_EQ(take_bare(next), "(nil) " + owner + " 2 0");
  EXPECT_EQ(store.release_bare(lock, next), "0");
  EXPECT_EQ(store.release_bare(lock, owner.substr(0, owner.size() - 1)), "0");
  EXPECT_EQ(store.release_bare(lock, owner), "1");
  EXPECT_EQ(holder(), "nobody");
}

TEST_F(BareLocks, AWaiterChangesTheValueSoThatTheHolderCallsTheScript) {
  for (const auto* seal : {"", "11.12"}) {
    take_bare(owner);
    store.acquire({.key = lock, .token = next, .ttl = 30s, .seal = seal});
    EXPECT_EQ(state().value, owner + (*seal == 0 ? "" : std::string{":"} + seal) + ":");
    EXPECT_EQ(state().pttl, 30000);
    EXPECT_EQ(store.release_bare(lock, owner), "0");
    EXPECT_EQ(release(owner), "released");
    EXPECT_EQ(holder(), next);
    release(next);
  }
}

TEST_F(BareLocks, ATryLeavesTheValueAsItIs) {
  take_bare(owner);
  EXPECT_EQ(try_acquire(next), "busy 30000");
  EXPECT_EQ(state().value, owner);
}

TEST_F(BareLocks, ARepeatRecordsALockThatNobodyWaitsFor) {
  take_bare(owner);
  const auto counter = hold(owner, 10s);
  EXPECT_EQ(state().value, owner + ':' + std::to_string(counter) + ":0");
  EXPECT_EQ(state().pttl, 10000);
  EXPECT_EQ(store.release_bare(lock, owner), "0");
}

TEST_F(BareLocks, ANewcomerInFrontOfAQueueGivesWay) {
  hold("dlock1:" + std::string(16, '0') + ':' + std::string(32, '9') + ":3000");
  queue(next);
  store.command({"DEL", lock});
  EXPECT_THAT(take_bare(owner), testing::EndsWith(" 1"));
  EXPECT_THAT(acquire(owner), StartsWith("queued "));
  EXPECT_EQ(holder(), next);
}

// The newcomer dies before it can give way.
TEST_F(BareLocks, ANewcomerThatDiesInFrontOfAQueueKeepsItForItsTtl) {
  hold("dlock1:" + std::string(16, '0') + ':' + std::string(32, '9') + ":3000");
  queue(next);
  store.command({"DEL", lock});
  take_bare(owner, 5s);
  EXPECT_EQ(word(acquire(next), 1), "5000");
  pass(5s + 1ms);
  EXPECT_THAT(acquire(next), StartsWith("acquired "));
}

TEST_F(BareLocks, AHolderThatVerifiesHandsNothingOn) {
  take_bare(owner);
  queue(next);
  EXPECT_THAT(keep(owner), StartsWith("acquired "));
  EXPECT_EQ(holder(), owner);
  EXPECT_THAT(waiting(), ElementsAre(next));
}

TEST_F(BareLocks, AReleaseDoesNotGrantTheLockToItsOwnToken) {
  take_bare(owner);
  stands_in_the_queue(owner);
  EXPECT_EQ(release(owner), "released");
  EXPECT_EQ(holder(), "nobody");
}

TEST_F(BareLocks, GivingItUpDoesNotGrantItToItsOwnToken) {
  take_bare(owner);
  stands_in_the_queue(owner);
  EXPECT_THAT(yield(owner, next), StartsWith("acquired "));
  EXPECT_EQ(holder(), next);
}

TEST_F(BareLocks, ARenewalRecordsTheFenceAndLeavesTheQueue) {
  take_bare(owner);
  stands_in_the_queue(owner);
  EXPECT_EQ(record(owner, 77), "echo k");
  EXPECT_EQ(state().value, owner + ":77:2");
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_EQ(record(owner, 78), "echo k");
  EXPECT_EQ(state().value, owner + ":77:2");
}

TEST_F(BareLocks, AFenceOfAMajorityIsWrittenOverAnyForm) {
  for (const bool is_queued_for : {false, true}) {
    take_bare(owner);
    if (is_queued_for) store.acquire({.key = lock, .token = next, .ttl = 30s, .seal = "11.12"});
    EXPECT_THAT(store.write_fence(lock, owner, 30s, 99), testing::EndsWith(" written"));
    EXPECT_EQ(state().value, owner + (is_queued_for ? ":11.12" : "") + ":99:0");
    release(owner);
  }
}

TEST_F(BareLocks, AHolderWithoutARecordIsBrokenByItsWholeValue) {
  take_bare(owner);
  EXPECT_EQ(store.break_unrecorded(lock, owner + ":"), "not_holder");
  queue(next);
  EXPECT_EQ(store.break_unrecorded(lock, owner), "not_holder");
  EXPECT_EQ(store.break_unrecorded(lock, owner + ":"), "broken");
  EXPECT_EQ(holder(), next);
}

// One random part in three million has decimal digits only.
TEST_F(BareLocks, ARandomPartIsNoFence) {
  const auto digits = "dlock1:" + std::string(16, '1') + ':' + std::string(32, '2') + ":3000";
  take_bare(digits);
  EXPECT_EQ(record(digits, 5), "echo k");
  EXPECT_EQ(state().value, digits + ":5:2");
}

}  // namespace

}  // namespace dlock::test
