// Engine: requests that may still act on a connection that is gone.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineGhost, OnlyAnAcquireWithoutReplyCountsAsUnanswered) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.on_disconnected();
  EXPECT_FALSE(script.engine.has_unanswered());

  script.expect({"connect"});
  script.at(11s).acquire(2, {.key = "other"});
  script.open();
  script.at(12s).on_disconnected();
  EXPECT_TRUE(script.engine.has_unanswered());
}

TEST(EngineGhost, WhenTheOldConnectionIsDeadTheTokenIsKept) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.at(1ms).on_disconnected();
  script.expect({"connect"});
  script.at(2ms).on_connected(true);
  script.expect({"subscribe", "enroll", "acquire job T1 30000"});
  EXPECT_FALSE(script.engine.has_unanswered());
}

TEST(EngineGhost, AQueuedWaiterKeepsItsPlaceUnderTheFreshToken) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(3s).timer();
  script.expect({"acquire job T1 30000 ticket 77"});
  script.at(3001ms).on_disconnected();
  script.expect({"connect"});
  script.at(3002ms).on_connected(false);
  script.expect({"subscribe", "enroll", "release job T1", "acquire job T2 30000 ticket 77"});
}

TEST(EngineGhost, AWaiterWhoseRequestsWereAllAnsweredKeepsItsToken) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.expect({"connect"});
  script.at(1001ms).on_connected(false);
  script.expect({"subscribe", "enroll", "acquire job T1 30000 ticket 77"});
}

TEST(EngineGhost, TheOldTokenIsReleasedEveryHalfSecondForATtlAndAWaitersLife) {
  // For a ttl it could hold the lock; for longer it could stand in the queue and be granted.
  for (const auto& [ttl, last] : {std::pair{1s, 15500ms}, std::pair{20s, 20500ms}}) {
    EngineScript script;
    script.at(0ms).acquire(1, {.key = "job", .ttl = ttl});
    script.on_disconnected();
    script.take();
    script.open(false);
    script.reply("T1 not_held");
    script.reply("T2 acquired 5");
    script.expect({"1 obtained 5.0"});
    script.at(1ms).release(1);
    script.expect({"release job T2"});
    script.reply("T2 released");
    script.expect({"1 released"});

    for (auto when = 500ms; when <= last; when += 500ms) {
      script.expect_timer(when);
      script.at(when).timer();
      script.expect({"release job T1"});
      script.reply("T1 not_held");
      script.expect({});
    }
    script.expect_timer(last + 500ms);
    script.at(last + 500ms).timer();
    script.expect({});
    script.expect_idle();
  }
}

TEST(EngineGhost, ACancelledAcquireThatMayComeLateIsReleasedAgainAndAgain) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.at(1ms).on_disconnected();
  script.at(2ms).cancel(1);
  script.expect({"connect", "1 cancelled"});
  script.at(3ms).on_connected(false);
  script.expect({"subscribe", "enroll", "release job T1"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 not_held");
  script.expect_timer(503ms);
  script.at(503ms).timer();
  script.expect({"release job T1"});
}

TEST(EngineGhost, ACancelledAcquireThatCannotComeLateIsReleasedOnce) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.at(1ms).cancel(1);
  script.expect({"1 cancelled", "release job T1"});
  script.at(2ms).on_disconnected();
  script.expect({"connect"});
  script.at(3ms).on_connected(true);
  script.expect({"subscribe", "enroll", "release job T1"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 not_held");
  script.expect_idle();
}

/// The grant crossed a repeat whose reply the lost connection has swallowed.
void obtain_with_a_repeat_out(EngineScript& script) {
  script.at(0ms).queue(1);
  script.at(2500ms).message("next T1 0");
  script.timer();
  script.at(2501ms).message("grant T1 9 3500000");
  script.expect({"acquire job T1 30000 ticket 77", "1 obtained 9.0"});
  script.at(2502ms).on_disconnected();
  script.expect({"connect"});
  EXPECT_TRUE(script.engine.has_unanswered());
}

TEST(EngineGhost, AReleaseIsRepeatedIfAnAcquireOfItsTokenMayComeLate) {
  EngineScript script;
  obtain_with_a_repeat_out(script);
  script.at(2503ms).reopen({"renew job T1 30000 .0"}, false);
  script.reply("T1 k");
  script.at(2504ms).release(1);
  script.expect({"release job T1"});
  script.reply("T1 released");
  script.expect({"1 released"});
  script.expect_timer(3004ms);
  script.at(3004ms).timer();
  script.expect({"release job T1"});
}

TEST(EngineGhost, AReleaseWithoutConnectionIsRepeatedIfAnAcquireOfItsTokenMayComeLate) {
  EngineScript script;
  obtain_with_a_repeat_out(script);
  script.at(2503ms).release(1);
  script.expect({});
  script.at(2504ms).open(false);
  script.reply("T1 released");
  script.expect({"1 released"});
  script.expect_timer(3004ms);
}

TEST(EngineGhost, AYieldIsRepeatedAsAReleaseIfAnAcquireOfItsTokenMayComeLate) {
  EngineScript script;
  obtain_with_a_repeat_out(script);
  script.at(2503ms).reopen({"renew job T1 30000 .0"}, false);
  script.reply("T1 k");
  script.at(2600ms).acquire(2);
  script.at(2700ms).release(1);
  script.expect({"acquire job T2 30000 giving up T1"});
  script.reply(EngineScript::queued("T2") + " released");
  script.expect({"1 released"});
  script.at(3200ms).timer();
  script.expect({"release job T1"});
}

TEST(EngineGhost, AReleaseIsSentOnceIfTheOldConnectionIsDead) {
  EngineScript script;
  obtain_with_a_repeat_out(script);
  script.at(2503ms).reopen({"renew job T1 30000 .0"});
  script.reply("T1 k");
  script.at(2504ms).release(1);
  script.reply("T1 released");
  script.expect({"release job T1", "1 released"});
  script.expect_idle();
}

TEST(EngineGhost, ALostLeaseIsReleasedIfAnAcquireOfItsTokenMayComeLate) {
  EngineScript script;
  obtain_with_a_repeat_out(script);
  script.at(2503ms).reopen({"renew job T1 30000 .0"}, false);
  script.reply("T1 l");
  script.expect({"release job T1", "1 lost: gone"});
  script.reply("T1 not_held");
  script.expect_timer(3003ms);
  script.at(3003ms).timer();
  script.expect({"release job T1"});
}

TEST(EngineGhost, ALeaseLostWithoutConnectionIsReleasedIfAnAcquireOfItsTokenMayComeLate) {
  EngineScript script;
  obtain_with_a_repeat_out(script);
  script.at(4750ms).timer();
  script.expect({"1 lost: expired"});
  script.at(4800ms).on_connected(false);
  script.expect({"subscribe", "enroll", "release job T1"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 not_held");
  script.expect_timer(5300ms);
}

TEST(EngineGhost, AReleaseIsNotForgottenBeforeItsLateAcquireIsOver) {
  // The process was stopped, and the server did nothing for long: the acquire ran only then.
  EngineScript script;
  script.at(0ms).acquire(1);
  script.at(1s).cancel(1);
  script.take();
  script.at(40s).reply(EngineScript::queued("T1"));
  script.noscript();
  script.expect({"release job T1 in full"});
  script.timer();
  script.at(42500ms).on_disconnected();
  script.at(42600ms).on_connected(true);
  script.expect({"connect", "subscribe", "enroll", "release job T1 in full"});
}

TEST(EngineGhost, ALeaseWhoseTimeIsUpWhileARequestOfItsTokenIsUnderWayIsGivenBack) {
  EngineScript script;
  script.at(0ms).queue(1, {.key = "job", .max_hold = 500ms});
  script.at(2500ms).timer();
  script.expect({"acquire job T1 30000 ticket 77"});
  script.at(2501ms).message("grant T1 6 3500000");
  script.expect({"1 obtained 6.0"});
  script.at(3001ms).timer();
  script.expect({"release job T1", "1 lost: max_hold"});
}

}  // namespace
}  // namespace dlock::core
