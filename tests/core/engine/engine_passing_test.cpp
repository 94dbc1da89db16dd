// Engine: passing a lease from thread to thread without the network, and its bounds.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EnginePassing, AReleaseHandsTheLeaseToTheNextWaiterHereWithoutTheNetwork) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  EXPECT_EQ(script.leases[2]->token, script.leases[1]->token);
  EXPECT_EQ(script.leases[2]->end(), Instant{} + 1h + 29698ms);
  EXPECT_EQ(script.engine.stats().passed, 1U);
}

TEST(EnginePassing, WaitersHereHaveTheirTurnInTheOrderInWhichTheyCame) {
  EngineScript script;
  script.at(0ms).obtain(1);
  for (const WaiterId waiter : {7, 3, 5}) script.acquire(waiter);
  script.at(1ms).release(1);
  script.expect({"7 obtained 5.1", "1 released"});
  script.release(7);
  script.expect({"3 obtained 5.2", "7 released"});
  script.release(3);
  script.expect({"5 obtained 5.3", "3 released"});
}

TEST(EnginePassing, AfterAHundredMillisecondsTheLockIsYielded) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.acquire(3);
  script.at(99ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.at(100ms).release(2);
  script.expect({"acquire job T2 30000 giving up T1"});
}

TEST(EnginePassing, WithLessThanTwoThirdsOfTheValidityLeftTheLockIsYielded) {
  // The drift takes 2.9 ms of 90 ms, and 57.1 ms must be left.
  for (const auto now : {30ms, 31ms}) {
    EngineScript script;
    script.at(0ms).obtain(1, {.key = "job", .ttl = 90ms});
    script.acquire(2, {.key = "job", .ttl = 90ms});
    script.at(now).release(1);
    if (now == 30ms) {
      script.expect({"2 obtained 5.1", "1 released"});
    } else {
      script.expect({"acquire job T2 90 giving up T1"});
    }
  }
}

TEST(EnginePassing, FixedLeasesAreNotPassed) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "a", .renew = false});
  script.acquire(2, {.key = "a"});
  script.obtain(3, {.key = "b"});
  script.acquire(4, {.key = "b", .renew = false});
  script.at(1ms).release(1);
  script.expect({"acquire a T3 30000 giving up T1"});
  script.release(3);
  script.expect({"acquire b T4 30000 giving up T2"});
}

TEST(EnginePassing, WithoutConnectionTheLeaseIsNotPassed) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1ms).on_disconnected();
  script.release(1);
  script.expect({"connect"});
  script.at(2ms).on_connected();
  script.expect({"subscribe", "enroll", "release job T1", "acquire job T2 30000"});
}

TEST(EnginePassing, TheServersRecordLearnsOfItWithinAHundredMilliseconds) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.acquire(3);
  script.at(10ms).release(1);
  script.at(20ms).release(2);
  script.expect({"2 obtained 5.1", "1 released", "3 obtained 5.2", "2 released"});
  script.expect_timer(110ms);
  script.at(110ms).timer();
  script.expect({"renew job T1 30000 .2"});
}

TEST(EnginePassing, TheNextHolderHasALongestHoldOfItsOwn) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .max_hold = 1s});
  script.acquire(2, {.key = "job", .max_hold = 2s});
  script.at(50ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.at(150ms).timer();
  script.expect({"renew job T1 30000 .1"});  // which it does not need, but who may break it does
  script.reply("T1 k");
  script.at(1s).timer();
  script.expect({});
  script.at(2050ms).timer();
  script.expect({"2 lost: max_hold"});
}

TEST(EnginePassing, ALossAfterwardsConcernsOnlyTheHolderOfThen) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1ms).release(1);
  script.at(101ms).timer();
  script.reply("T1 l");
  script.expect({"2 obtained 5.1", "1 released", "renew job T1 30000 .1", "2 lost: gone"});
  EXPECT_EQ(script.leases[1]->loss.load(), Loss::none);
  EXPECT_EQ(script.leases[2]->loss.load(), Loss::gone);
}

TEST(EnginePassing, ARenewalThatWasUnderWayExtendsTheNextHoldersLease) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(10ms).on_disconnected();
  script.expect({"connect"});
  script.reopen({"renew job T1 30000 .0"});
  script.at(20ms).release(1);
  script.reply("T1 k");
  script.expect({"2 obtained 5.1", "1 released"});
  EXPECT_EQ(script.leases[2]->end(), Instant{} + 1h + 10ms + 29698ms);
}

TEST(EnginePassing, AFormerHolderCannotReleaseTheNextOnesLease) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.release(1);
  script.expect({"1 not held"});
  EXPECT_GT(script.leases[2]->left(Instant{} + 1h + 1ms), 0ms);
}

TEST(EnginePassing, AHandOffWhileARenewalIsUnderWayIsRecordedByAnother) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(10ms).on_disconnected();
  script.at(11ms).on_connected();
  script.expect({"connect", "subscribe", "enroll", "renew job T1 30000 .0"});
  script.at(20ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.expect_timer(120ms);
  script.at(30ms).reply("OK");
  script.reply("OK");
  script.reply("T1 k");  // of the renewal that knew nothing of it
  script.expect({});
  script.expect_timer(120ms);
  script.at(120ms).timer();
  script.expect({"renew job T1 30000 .1"});
  script.at(121ms).reply("T1 k");
  script.release(2);
  script.expect({"release job T1"});
}

TEST(EnginePassing, ARenewalThatIsSlowDoesNotDelayTheRecordOfAHandOff) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.acquire(3);
  script.at(10ms).on_disconnected();
  script.take();
  script.at(11ms).reopen({"renew job T1 30000 .0"});
  script.at(20ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.at(120ms).timer();
  script.expect({"renew job T1 30000 .1"});
  script.at(130ms).reply("T1 k");
  script.reply("T1 k");
  script.expect({});
  script.expect_timer(10120ms);  // as if it had been renewed once, when the last left
}

TEST(EnginePassing, ARecordThatIsLostOnTheWayIsWrittenOnTheNextConnection) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1ms).release(1);
  script.at(101ms).timer();
  script.expect({"2 obtained 5.1", "1 released", "renew job T1 30000 .1"});
  script.at(102ms).on_disconnected();
  script.at(103ms).on_connected();
  script.expect({"connect", "subscribe", "enroll", "renew job T1 30000 .1"});
}

}  // namespace
}  // namespace dlock::core
