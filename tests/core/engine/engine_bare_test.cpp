// Engine: locks are acquired and released without a script where nobody waits.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

Engine::Settings with_blocks() {
  auto settings = EngineScript::settings();
  settings.always_scripts = false;
  return settings;
}

/// A client that has had the lock "other" a moment ago, under the counter 5.
class EngineBare : public testing::Test {
 protected:
  EngineBare() {
    script.at(0ms).obtain(1, {.key = "other"});
    script.release(1);
    script.reply("T1 released");
    script.take();
    script.at(1ms);
  }
  /// Asks for "job" without a script, as T2.
  void ask(AcquireRequest wish = {.key = "job"}) {
    script.acquire(2, std::move(wish));
    script.expect({"acquire bare job T2 30000"});
  }
  void hold() {
    ask();
    script.block("free T2 6");
    script.expect({"2 obtained 6.0"});
  }

  EngineScript script{EngineScript::connected, with_blocks()};
};

TEST_F(EngineBare, TheFirstLockOfAConnectionTakesTheScript) {
  EngineScript fresh{EngineScript::connected, with_blocks()};
  fresh.acquire(1);
  fresh.expect({"acquire job T1 30000"});
}

TEST_F(EngineBare, ALockNeedsNoScriptFromTheBeginningToTheEnd) {
  hold();
  script.release(2);
  script.expect({"release bare job T2"});
  script.reply("1");
  script.expect({"2 released"});
  script.expect_idle();
}

TEST_F(EngineBare, ASecondAfterTheLastSyncOfTheCounterTheScriptSyncsIt) {
  script.at(1001ms).acquire(2);
  script.expect({"acquire job T2 30000"});
}

// Another server may have come and gone since; only a look at the clock rules that out.
TEST_F(EngineBare, ALockWithoutAScriptIsNoSyncOfTheCounter) {
  script.at(900ms);
  hold();
  script.release(2);
  script.reply("1");
  script.take();
  script.at(1001ms).acquire(3);
  script.expect({"acquire job T3 30000"});
}

// The counter may have gone back, or a hundred years ahead, so that fences would not grow.
TEST_F(EngineBare, ACounterThatIsNotAboveAllThatWereSeenIsRepairedByTheScript) {
  for (const auto* counter : {"5", "0", "1000000000005"}) {
    SetUp();
    EngineScript one{EngineScript::connected, with_blocks()};
    one.at(0ms).obtain(1, {.key = "other"});
    one.acquire(2);
    one.take();
    one.block(std::string{"free T2 "} + counter);
    one.expect({"acquire job T2 30000"});
  }
}

TEST_F(EngineBare, ACounterIsNotTrustedWhenItsReplyComesLate) {
  ask();
  script.at(1100ms).block("free T2 6");
  script.expect({"acquire job T2 30000"});
}

// The script hands it to whoever waits.
TEST_F(EngineBare, ALockWithAQueueIsNeverHeld) {
  ask();
  script.block("free T2 6 queue");
  script.expect({"acquire job T2 30000"});
}

TEST_F(EngineBare, AValueThatIsNotTheTokensIsNoLock) {
  ask();
  script.block("free foreign 6");
  script.expect({"acquire job T2 30000"});
}

TEST_F(EngineBare, ATakenLockIsQueuedForByTheScript) {
  ask();
  script.block("taken foreign 6");
  script.expect({"acquire job T2 30000"});
}

TEST_F(EngineBare, ATryIsBusyWithoutAScript) {
  ask({.key = "job", .wait = false});
  script.block("taken foreign 6");
  script.expect({"2 busy"});
  script.expect_idle();
}

TEST_F(EngineBare, ATryAtAKeyOfAnotherTypeLetsTheScriptSaySo) {
  ask({.key = "job", .wait = false});
  script.block("other");
  script.expect({"acquire job T2 30000 try"});
}

// A repeat could find the lock that the token gave back meanwhile.
TEST_F(EngineBare, ARepeatTakesTheScript) {
  ask();
  script.on_disconnected();
  script.take();
  script.on_connected();
  script.expect({"subscribe", "enroll", "acquire job T2 30000"});
}

TEST_F(EngineBare, AnUnknownOutcomeIsFoundOutByTheScript) {
  ask();
  script.block("unknown");
  script.expect({"acquire job T2 30000"});
}

TEST_F(EngineBare, AUserWithoutTheRightsIsServedByScriptsFromThenOn) {
  ask();
  script.block("refused");
  script.expect({"acquire job T2 30000"});
  script.reply("T2 acquired 7");
  script.take();
  script.acquire(3, {.key = "third"});
  script.expect({"acquire third T3 30000"});
}

TEST_F(EngineBare, AnErrorIsThatOfTheWait) {
  ask();
  script.error(errc::out_of_memory);
  script.expect({"2 failed: another error", "release job T2"});
}

TEST_F(EngineBare, AWaitThatEndedIsWithdrawnByTheScript) {
  ask();
  script.cancel(2);
  script.expect({"2 cancelled", "release job T2"});
  script.block("free T2 6");
  script.reply("T2 released");
  script.expect({});
  script.expect_idle();
}

TEST_F(EngineBare, ANameWithCompetitorsTakesTheScriptUntilItIsFreeAtOnceAgain) {
  ask({.key = "job", .wait = false});
  script.block("taken foreign 6");
  script.take();
  script.acquire(3);
  script.expect({"acquire job T3 30000"});
  script.reply("T3 acquired 7");
  script.take();
  script.release(3);
  script.expect({"release job T3"});
  script.reply("T3 released");
  script.take();
  script.acquire(4);
  script.expect({"acquire bare job T4 30000"});
}

// Somebody queued, and changed the value for that.
TEST_F(EngineBare, AReleaseThatFindsAnotherValueIsRepeatedByTheScript) {
  hold();
  script.release(2);
  script.take();
  script.reply("0");
  script.expect({"release job T2"});
  script.reply("T2 released");
  script.expect({"2 released"});
  script.acquire(3);
  script.expect({"acquire job T3 30000"});
}

TEST_F(EngineBare, AReleaseThatFailsIsRepeatedByTheScript) {
  hold();
  script.release(2);
  script.take();
  script.error(errc::store_unusable);
  script.expect({"release job T2"});
}

TEST_F(EngineBare, AReleaseWithoutAnAnswerIsRepeatedByTheScript) {
  hold();
  script.release(2);
  script.take();
  script.on_disconnected();
  script.take();
  script.on_connected();
  script.expect({"subscribe", "enroll", "release job T2"});
}

TEST_F(EngineBare, AReplyThatIsNoNumberAnswersAnotherRequest) {
  hold();
  script.release(2);
  script.take();
  script.reply("T1 released");
  script.expect({"disconnect", "connect"});
}

TEST_F(EngineBare, AServerThatForgotTheScriptOfTheReleaseGetsItsText) {
  hold();
  script.release(2);
  script.take();
  script.noscript();
  script.expect({"release bare job T2 in full"});
  script.reply("0");
  script.expect({"release job T2"});
}

TEST_F(EngineBare, TheFenceIsRecordedWithinASecond) {
  hold();
  script.expect_timer(1001ms);
  script.at(1001ms).timer();
  script.expect({"renew job T2 30000 .0"});
  script.release(2);
  script.expect({"release job T2"});
}

TEST_F(EngineBare, ALeaseWithoutRenewalIsRecordedToo) {
  ask({.key = "job", .renew = false});
  script.block("free T2 6");
  script.take();
  script.at(1001ms).timer();
  script.expect({"renew job T2 28698 .0"});
}

TEST_F(EngineBare, TheFenceIsRecordedWhenAClientAsksForIt) {
  hold();
  script.message("record T2");
  script.expect({"renew job T2 30000 .0"});
  script.message("record T2");
  script.expect({});
}

// A forged grant must not make the server hand the lock on.
TEST_F(EngineBare, AGrantForAHolderIsVerifiedByARenewal) {
  hold();
  for (int renewal = 0; renewal < 2; ++renewal) {  // the first is not answered yet
    script.forged("grant T2 9 1000000");
    script.expect({"renew job T2 30000 .0"});
  }
  script.reply("T2 k");
  script.forged("grant T2 9 1000000");
  script.expect({"acquire job T2 30000 keep"});
}

TEST_F(EngineBare, ALeaseThatThreadsPassOnIsReleasedWithoutAScriptUntilItIsRecorded) {
  hold();
  script.acquire(3);
  script.release(2);
  script.expect({"3 obtained 6.1", "2 released"});
  script.release(3);
  script.expect({"release bare job T2"});
}

TEST_F(EngineBare, WhoYieldsToItsOwnThreadsTakesTheScript) {
  hold();
  script.at(200ms).acquire(3);
  script.release(2);
  script.expect({"acquire job T3 30000 giving up T2"});
}

TEST_F(EngineBare, ALockThatMustBeRecordedTakesTheScript) {
  script.acquire(2, {.key = "job", .recorded = true});
  script.expect({"acquire job T2 30000"});
}

}  // namespace
}  // namespace dlock::core
