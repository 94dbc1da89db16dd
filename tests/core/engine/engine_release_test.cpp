// Engine: releases, and what becomes of a token that must not stay on the server.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineRelease, AReleaseTakesOneRoundTripAndLeavesNothing) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.expect({"release job T1"});
  script.expect_timer(3s);  // the request timeout
  script.at(1001ms).reply("T1 released");
  script.expect({"1 released"});
  script.expect_idle();
  EXPECT_EQ(script.engine.stats().released, 1U);
}

TEST(EngineRelease, ALockThatIsNotOursAnyMoreIsReportedAsNotHeld) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.expect({"release job T1"});
  script.at(1001ms).reply("T1 not_held");
  script.expect({"1 not held"});
  script.expect_idle();
  EXPECT_EQ(script.engine.stats().released, 0U);
}

TEST(EngineRelease, ASecondReleaseIsNotHeld) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.reply("T1 released");
  script.expect({"release job T1", "1 released"});
  script.at(2s).release(1);
  script.expect({"1 not held"});
  script.expect_idle();
}

TEST(EngineRelease, TheSameNameCanBeTakenAgainBehindTheRelease) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.at(1s).acquire(2, {.key = "job", .wait = false});
  script.expect({"release job T1", "acquire job T2 30000 try"});
  script.at(1001ms).reply("T1 released");
  script.reply("T2 acquired 6");
  script.expect({"1 released", "2 obtained 6.0"});
}

TEST(EngineRelease, WithoutAnAnswerInTimeItIsUnknownAndRepeatedOnTheNextConnection) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.expect({"release job T1"});
  script.expect_timer(3s);
  script.at(3s).timer();
  script.expect({"1 released or not", "unanswered", "disconnect", "connect"});
  script.at(3001ms).on_connected();
  script.expect({"subscribe", "enroll", "release job T1"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 released");
  script.expect({});
  script.expect_idle();
}

TEST(EngineRelease, ARepeatThatFindsNothingSaysThatTheFirstOneWasCarriedOut) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.at(1001ms).on_disconnected();
  script.at(1002ms).on_connected();
  script.expect({"release job T1", "connect", "subscribe", "enroll", "release job T1"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 not_held");
  script.expect({"1 released"});
}

TEST(EngineRelease, OnANewConnectionTheFirstOneTellsALoss) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).on_disconnected();
  script.at(1001ms).release(1);
  script.at(1002ms).on_connected();
  script.expect({"connect", "subscribe", "enroll", "release job T1"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 not_held");
  script.expect({"1 not held"});
}

TEST(EngineRelease, WithoutConnectionItIsAnsweredInTimeAndSentWhenThereIsOne) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).on_disconnected();
  script.expect({"connect"});
  script.at(2s).release(1);
  script.expect({});
  script.at(4s).timer();
  script.expect({"1 released or not", "unanswered"});
  script.at(5s).on_connected();
  script.expect({"subscribe", "enroll", "release job T1"});
}

TEST(EngineRelease, AFixedLeaseWithoutConnectionAsksForOneToBeReleased) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .renew = false});
  script.at(1s).on_disconnected();
  script.expect({});
  script.at(2s).release(1);
  script.expect({"connect"});
  script.at(3s).on_connected();
  script.expect({"subscribe", "enroll", "release job T1"});
}

TEST(EngineRelease, ItIsGivenUpWhenTheServerHasForgottenTheLeaseByItself) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).on_disconnected();
  script.at(2s).release(1);
  script.at(4s).timer();
  script.expect({"connect", "1 released or not", "unanswered"});
  script.at(32999ms).timer();
  EXPECT_FALSE(script.engine.idle());
  script.at(33s).timer();
  script.expect_idle();
}

TEST(EngineRelease, AnErrorIsNoAnswerAndTheReleaseIsRepeatedMoreAndMoreSlowly) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.expect({"release job T1"});
  script.error(errc::read_only, "READONLY");
  for (const auto when : {1250ms, 1750ms, 2750ms}) {
    script.expect_timer(when);
    script.at(when).timer();
    script.expect({"release job T1"});
    script.error(errc::read_only, "READONLY");
  }
  script.at(3s).timer();  // the request timeout
  script.expect({"1 released or not", "unanswered"});
  for (const auto when : {4750ms, 8750ms, 12750ms}) {
    script.expect_timer(when);
    script.at(when).timer();
    script.expect({"release job T1"});
    script.error(errc::read_only, "READONLY");
  }
  script.at(16750ms).timer();
  script.reply("T1 released");
  script.expect({"release job T1"});
  script.expect_idle();
}

TEST(EngineRelease, TheReleaseOfACancelledWaitIsRepeatedUntilTheServerForgetsTheWaiter) {
  EngineScript script;
  script.at(0ms).queue(1, {.key = "job", .ttl = 1s});
  script.at(1s).cancel(1);
  script.expect({"1 cancelled", "release job T1"});
  script.passing_error();
  for (const auto when : {1250ms, 1750ms, 2750ms, 4750ms, 8750ms, 12750ms, 16750ms}) {
    script.expect_timer(when);
    script.at(when).timer();
    script.expect({"release job T1"});
    script.error(errc::read_only, "READONLY");
  }
  script.expect_timer(17s);
  script.at(17s).timer();
  script.expect_idle();
}

TEST(EngineRelease, TheTokenOfAFailedWaitIsRemembered) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .ttl = 1s});
  script.acquire(2, {.key = "job", .ttl = 1s});
  script.error(errc::read_only);
  script.expect(
      {"acquire job T1 1000", "release job T1", "1 failed: read_only", "acquire job T2 1000"});
  script.on_disconnected();
  script.at(15s).timer();
  script.open();
  script.reply("T1 not_held");
  script.reply("T2 acquired 5");
  script.expect({"2 obtained 5.0"});
}

TEST(EngineRelease, AClientNeedNotWaitForATokenThatTheServerWillForgetByItself) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.cancel(1);
  EXPECT_FALSE(script.engine.settled());
  script.error(errc::read_only);
  EXPECT_TRUE(script.engine.settled());
  EXPECT_FALSE(script.engine.idle());
}

TEST(EngineRelease, AClientWaitsForTheReleaseOfALeaseEvenIfItFailed) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.release(1);
  script.error(errc::read_only);
  EXPECT_FALSE(script.engine.settled());
}

TEST(EngineRelease, WhileARenewalIsUnderWayItsReplyIsIgnored) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.at(10s).release(1);
  script.expect({"release job T1"});
  script.at(10001ms).reply("T1 k");
  script.expect({});
  script.reply("T1 released");
  script.expect({"1 released"});
  script.expect_idle();
}

TEST(EngineRelease, AfterTheEndOfValidityItIsALossAndTheTokenIsClearedAway) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(29698ms).release(1);  // the timer of the loss has not been served yet
  script.expect({"1 not held", "release job T1", "1 lost: expired"});
  script.reply("T1 not_held");
  script.expect_idle();
}

TEST(EngineRelease, TheTokenOfALostLeaseIsReleasedWhileTheServerMayHaveIt) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .max_hold = 5s});
  script.at(5s).timer();
  script.expect({"1 lost: max_hold"});
  script.at(6s).on_disconnected();
  script.expect({});
  script.at(7s).release(1);
  script.expect({"1 not held", "connect"});
  script.at(36s).timer();
  script.on_connected();
  script.expect({"subscribe", "enroll", "release job T1"});
}

TEST(EngineRelease, NothingIsSentForALeaseThatTheServerForgot) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.reply("T1 l");
  script.expect({"renew job T1 30000 .0", "1 lost: gone"});
  script.at(11s).release(1);
  script.expect({"1 not held"});
  script.expect_idle();
}

TEST(EngineRelease, WaitersThatCannotBeToldAreReported) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.reply("T1 released mute NOPERM no channel");
  script.expect({"release job T1", "1 released"});
  ASSERT_EQ(script.reports.size(), 1U);
  EXPECT_NE(script.reports[0].find("NOPERM no channel"), std::string::npos);
}

}  // namespace
}  // namespace dlock::core
