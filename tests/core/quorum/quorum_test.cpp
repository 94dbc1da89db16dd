// Quorum: taking, keeping, losing and giving back a lock on a majority of servers.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"
#include "core/quorum/quorum_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> all_asked{"a acquire", "b acquire", "c acquire"};

TEST(Quorum, AllServersAreAskedAtOnceAndAMajorityDecides) {
  QuorumScript script;
  script.at(0ms).acquire(1);
  script.expect(all_asked);
  script.at(1ms).reply('a', "acquired 5");
  script.expect({});
  script.at(2ms).reply('c', "acquired 5");
  script.expect({"1 obtained 5.0"});
}

TEST(Quorum, TheGreatestFenceIsWrittenToAMajorityBeforeTheLockIsUsed) {
  QuorumScript script;
  script.acquire(1);
  script.forget();
  script.reply('a', "acquired 1000");
  script.reply('b', "acquired 20");
  script.expect({"b write_fence 1000"});
  script.reply('b', "written");
  script.expect({"1 obtained 1000.0"});
  // One that comes later learns it too, though nobody waits for that.
  script.reply('c', "acquired 10");
  script.expect({"c write_fence 1000"});
  script.reply('c', "written");
  script.expect({});
}

TEST(Quorum, AFenceThatDoesNotReachAMajorityIsNotUsed) {
  QuorumScript script;
  script.acquire(1);
  script.reply('a', "acquired 1000");
  script.reply('b', "acquired 20");
  script.reply('c', "busy 1000");
  script.forget();
  script.reply('b', "lost");
  script.expect({"a release"});
}

TEST(Quorum, AMinorityIsGivenBackAtOnce) {
  QuorumScript script;
  script.acquire(1);
  script.forget();
  script.reply('a', "acquired 5");
  script.reply('b', "busy 1000");
  script.expect({});
  script.reply('c', "busy 1000");
  script.expect({"a release"});
  script.reply('a', "released");
  script.pass_until(8ms);
  script.expect(all_asked);
}

TEST(Quorum, TheWaitsBetweenTriesGrowToACap) {
  QuorumScript script;
  script.at(0ms).acquire(1);
  auto now = 0ms;
  for (const auto wait : {8ms, 16ms, 32ms, 64ms, 128ms, 200ms, 200ms}) {
    script.forget();
    script.reply('a', "busy 1000");
    script.reply('b', "busy 1000");
    script.pass_until(now + wait - 1us);
    script.expect({"c release"});  // it was not waited for
    now += wait;
    script.pass_until(now);
    script.expect(all_asked);
    script.reply('c', "busy 1000");
    script.reply('c', "not_held");
  }
}

TEST(Quorum, ATryIsBusyWhenAMajorityIsTaken) {
  QuorumScript script;
  script.acquire(1, {.key = "job", .wait = false});
  script.forget();
  script.reply('b', "busy 1000");
  script.reply('c', "busy 1000");
  script.expect({});
  script.reply('a', "busy 1000");
  script.expect({"1 busy"});
}

TEST(Quorum, ATryDoesNotWaitLongForAServerThatCannotChangeIt) {
  QuorumScript script;
  script.at(0ms).acquire(1, {.key = "job", .wait = false});
  script.forget();
  script.reply('b', "busy 1000");
  script.at(5ms).reply('c', "busy 1000");
  script.pass_until(30ms - 1us);
  script.expect({});
  script.pass_until(30ms);
  script.expect({"a release", "1 busy"});
}

// Three who try at once may get one server each: then nobody has it, and somebody must.
TEST(Quorum, ATryThatGotSomePartsIsRepeatedSomeTimes) {
  QuorumScript script;
  script.at(0ms).acquire(1, {.key = "job", .wait = false});
  auto now = 0ms;
  for (const auto wait : {20ms, 40ms, 80ms, 160ms}) {  // the first as long as the round was
    now += 20ms;
    script.at(now).reply('b', "busy 1000");
    script.reply('c', "busy 1000");
    script.forget();
    script.reply('a', "acquired 5");
    script.expect({"a release"});
    script.reply('a', "released");
    now += wait;
    script.pass_until(now);
    script.expect(all_asked);
  }
  script.reply('b', "busy 1000");
  script.reply('c', "busy 1000");
  script.forget();
  script.reply('a', "acquired 5");
  script.expect({"a release", "1 busy"});
}

TEST(Quorum, APartThatComesTooLateIsReturned) {
  QuorumScript script;
  script.at(0ms).acquire(1, {.key = "job", .wait = false});
  script.reply('b', "busy 1000");
  script.reply('c', "busy 1000");
  script.pass_until(25ms);
  script.reply('a', "acquired 5");
  script.reply('a', "released");
  EXPECT_TRUE(script.router().idle());
}

TEST(Quorum, ItIsValidAsLongAsAMajorityIs) {
  QuorumScript script;
  script.at(0ms).acquire(1);
  script.at(1ms).reply('a', "acquired 5");
  script.reply('b', "acquired 5");
  script.reply('c', "acquired 5");
  EXPECT_EQ(script.end(1), 29698ms);
  script.pass_until(10s);  // each renews its part after 10 s
  script.forget();
  script.at(10s + 1ms).reply('a', "k");
  EXPECT_EQ(script.end(1), 29698ms);
  script.reply('b', "k");
  EXPECT_GT(script.end(1), 39s);
}

TEST(Quorum, ALostPartIsTakenAgainAndLearnsTheFence) {
  QuorumScript script;
  script.at(0ms).obtain(1);
  script.pass_until(10s);
  script.reply('a', "k");
  script.reply('b', "k");
  script.forget();
  script.reply('c', "l");
  script.expect({});
  script.pass_until(10s + 25ms);
  script.expect({"c acquire"});
  script.reply('c', "acquired 3");
  script.expect({"c write_fence 5"});
  script.reply('c', "written");
  script.expect({});
}

TEST(Quorum, WithoutAMajorityItIsLostAndNotTakenAgain) {
  QuorumScript script;
  script.at(0ms).obtain(1);
  script.pass_until(10s);
  script.reply('a', "l");
  script.forget();
  script.reply('b', "l");
  script.expect({"c release", "1 lost: gone"});
  script.reply('c', "k");
  script.reply('c', "released");
  script.pass_until(60s);
  script.expect({});
  EXPECT_TRUE(script.router().idle());
}

TEST(Quorum, ItIsLostBeforeItsValidityEndsAndKeepsOthersOutUntilThen) {
  QuorumScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 10s});
  for (const char server : {'a', 'b'}) {
    script.disconnect(server);
    script.connect_fails(server);
  }
  const auto end = script.end(1);
  script.pass_until(end - 1001ms);
  for (const auto& line : script.lines()) EXPECT_EQ(line.find("lost"), line.npos) << line;
  script.forget();
  script.pass_until(end - 1s);
  script.expect({"1 lost: expired"});
}

TEST(Quorum, ALongestHoldEnds) {
  QuorumScript script;
  script.at(0ms).obtain(1, {.key = "job", .max_hold = 3s});
  script.pass_until(3s - 1us);
  script.expect({});
  script.pass_until(3s);
  script.expect({"1 lost: max_hold"});
  script.release(1);
  script.expect({"a release", "b release", "c release", "1 not held"});
}

TEST(Quorum, AHolderThatIsToldKeepsOthersOutUntilItsTimeIsOver) {
  QuorumScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 10s, .renew = false});
  script.pass_until(10s - 1us);
  script.expect({"1 lost: time_up", "a release", "b release", "c release"});
}

TEST(Quorum, WhatWasOverDoesNotBeginAgain) {
  QuorumScript script;
  script.at(0ms).acquire(1, {.key = "job", .ttl = 10s});
  script.reply('a', "acquired 5");
  script.reply('b', "acquired 5");
  script.forget();
  // The process was stopped, and the reply of the third lay there: it is asked once more.
  script.at(20s).reply('c', "acquired 5");
  script.expect({"c acquire"});
  script.reply('c', "acquired 5");
  script.expect({"1 lost: expired"});
}

TEST(Quorum, AReleaseIsAnsweredByAMajority) {
  QuorumScript script;
  script.obtain(1);
  script.release(1);
  script.expect({"a release", "b release", "c release"});
  script.reply('a', "released");
  script.expect({});
  script.reply('b', "released");
  script.expect({"1 released"});
  script.reply('c', "not_held");
  EXPECT_TRUE(script.router().idle());
}

TEST(Quorum, AReleaseOfWhatNoMajorityHadWasNotHeld) {
  QuorumScript script;
  script.obtain(1);
  script.release(1);
  script.reply('a', "not_held");
  script.forget();
  script.reply('b', "not_held");
  script.expect({"1 not held"});
}

TEST(Quorum, AHandOffIsWrittenDownSoonOnEachServer) {
  QuorumScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.forget();
  script.at(1ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.pass_until(101ms);
  script.expect({"a renew .1", "b renew .1", "c renew .1"});
}

TEST(Quorum, AHandOffWhileRenewalsAreUnderWayIsWrittenDownByOthers) {
  QuorumScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.acquire(3);
  script.at(1ms).release(1);
  script.pass_until(99ms);
  script.forget();
  script.at(99ms).release(2);
  script.expect({"3 obtained 5.2", "2 released"});
  script.pass_until(101ms);
  script.expect({"a renew .2", "b renew .2", "c renew .2"});
}

TEST(Quorum, AReleaseHandsTheLeaseToTheNextWaiterHere) {
  QuorumScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.acquire(3);
  script.at(1ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.at(100ms).release(2);
  script.expect({"a release", "b release", "c release"});
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "released");
  script.expect({"2 released"});
  script.pass_until(108ms);
  script.expect(all_asked);
}

TEST(Quorum, ACancelledWaitLeavesNothingBehind) {
  QuorumScript script;
  script.acquire(1);
  script.reply('a', "acquired 5");
  script.forget();
  script.cancel(1);
  script.expect({"a release", "b release", "c release", "1 cancelled"});
  for (const char server : {'a', 'b', 'c'}) {
    if (server != 'a') script.reply(server, "busy 1000");
    script.reply(server, "not_held");
  }
  EXPECT_TRUE(script.router().idle());
  EXPECT_EQ(script.router().next_timer(), Instant::max());
}

TEST(Quorum, AWaitEndsAtItsTimeLimit) {
  QuorumScript script;
  script.at(0ms).acquire(1, {.key = "job", .deadline = Instant{} + 1h + 5ms});
  script.reply('a', "busy 1000");
  script.reply('b', "busy 1000");
  script.forget();
  script.pass_until(5ms);
  script.expect({"1 timed out"});
}

TEST(Quorum, OneDeadServerOfThreeDoesNotMatter) {
  QuorumScript script;
  script.disconnect('c');
  script.acquire(1);
  script.connect_fails('c');
  script.expect({"a acquire", "b acquire"});
  script.reply('a', "acquired 5");
  script.reply('b', "acquired 5");
  script.expect({"1 obtained 5.0"});
}

TEST(Quorum, WithoutAMajorityATryIsUnreachable) {
  QuorumScript script;
  script.disconnect('b');
  script.disconnect('c');
  script.acquire(1, {.key = "job", .wait = false});
  script.connect_fails('b');
  script.forget();
  script.connect_fails('c');
  script.expect({"a release", "1 failed: unreachable"});
  EXPECT_EQ(script.refusal, "no majority of the servers answers: no connection");
}

TEST(Quorum, AWaitWithoutAMajorityEndsAfterThePatience) {
  QuorumScript script;
  script.at(0ms).obtain(1);
  script.release(1);
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "released");
  script.at(1s).acquire(2);  // nothing answers, nothing says why
  script.forget();
  script.pass_until(12s);
  for (const auto& line : script.lines()) EXPECT_EQ(line.find("failed"), line.npos) << line;
  script.pass_until(17s);
  EXPECT_EQ(script.lines().back().substr(0, 8), "2 failed");
}

TEST(Quorum, AMajoritysRefusalIsReported) {
  QuorumScript script;
  script.acquire(1);
  script.forget();
  script.error('a', errc::not_a_lock);
  script.reply('b', "acquired 5");
  script.error('c', errc::not_a_lock);
  script.expect({"a release", "c release", "b release", "1 failed: not_a_lock"});
  EXPECT_EQ(script.refusal, misuse_of("job"));
}

TEST(Quorum, ABrokenPartBreaksTheLease) {
  QuorumScript script;
  script.obtain(1);
  script.message('a', "break " + script.tokens['a'] + " 5 0");
  script.expect({"a renew"});
  script.reply('a', "b");
  script.expect({"a release", "b release", "c release", "1 lost: broken"});
}

TEST(Quorum, AFenceThatWasNotWrittenIsWrittenLater) {
  QuorumScript script;
  script.at(0ms).acquire(1);
  script.reply('a', "acquired 9");
  script.reply('b', "acquired 9");
  script.reply('c', "acquired 5");
  script.forget();
  script.error('c', errc::store_unusable);
  script.expect({});
  script.pass_until(25ms);
  script.expect({"c write_fence 9"});
}

TEST(Quorum, WhatTwoMajoritiesCouldGiveOutTwiceIsRefused) {
  QuorumScript script;
  script.acquire(1, permits(1));
  script.expect({"1 failed: usage"});
  EXPECT_NE(script.refusal.find("semaphore"), script.refusal.npos);
  script.acquire(2, at_condition());
  script.expect({"2 failed: usage"});
  script.acquire(3, permits(upgradeable_weight, shared_capacity));
  script.expect({"3 failed: usage"});
  EXPECT_NE(script.refusal.find("upgradeable"), script.refusal.npos);
}

TEST(Quorum, CloseEndsWaitsAndNoLeases) {
  QuorumScript script;
  script.obtain(1);
  script.acquire(2);
  script.close();
  script.expect({"2 cancelled"});
  script.acquire(3);
  script.expect({"3 cancelled"});
  script.release(1);
  script.expect({"a release", "b release", "c release"});
}

}  // namespace
}  // namespace dlock::core
