// Engine: waits that end without the lock, by cancel or by their deadline.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

AcquireRequest until(Duration deadline) {
  return {.key = "job", .deadline = Instant{} + 1h + deadline};
}

TEST(EngineCancel, AQueuedWaiterLeavesTheServersQueue) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).cancel(1);
  script.expect({"1 cancelled", "release job T1"});
  script.at(1001ms).reply("T1 not_held");
  script.expect({});
  script.expect_idle();
}

TEST(EngineCancel, TheReleaseOfAWaiterFollowsItsOpenRequest) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.at(1ms).cancel(1);
  script.expect({"acquire job T1 30000", "1 cancelled", "release job T1"});
  script.reply("T1 acquired 5");
  script.expect({});
  script.reply("T1 released");
  script.expect_idle();
}

TEST(EngineCancel, ARequestThatWasNeverSentNeedsNoRelease) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire(1);
  script.cancel(1);
  script.expect({"connect", "1 cancelled"});
  script.on_connected();
  script.expect({"subscribe", "enroll"});
}

TEST(EngineCancel, AnEndedWaitIsNotCancelled) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.cancel(1);
  script.cancel(99);
  script.expect({});
}

TEST(EngineCancel, AWaiterInTheMiddleLeavesNoTrace) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.acquire(3);
  script.cancel(2);
  script.expect({"2 cancelled"});
  script.at(1ms).release(1);
  script.expect({"3 obtained 5.1", "1 released"});
}

TEST(EngineCancel, TheNextWaiterHereTakesOverThePlaceInTheQueue) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.acquire(2);
  script.at(1s).cancel(1);
  script.expect({"1 cancelled"});
  script.at(2s).message("grant T1 9 3000000");
  script.expect({"2 obtained 9.0"});
}

TEST(EngineCancel, ItTakesOverAnAcquireThatIsOut) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.acquire(2);
  script.cancel(1);
  script.expect({"acquire job T1 30000", "1 cancelled"});
  script.reply("T1 acquired 5");
  script.expect({"2 obtained 5.0"});
}

TEST(EngineCancel, IfItWantsAnotherTtlThatIsAskedForFirst) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.acquire(2, {.key = "job", .ttl = 10s});
  script.cancel(1);
  script.expect({"acquire job T1 30000", "1 cancelled"});
  script.reply("T1 acquired 5");
  script.expect({"acquire job T1 10000"});
  script.at(1s).reply("T1 acquired 5");
  script.expect({"2 obtained 5.0"});
  EXPECT_EQ(script.leases.at(2)->end(), Instant{} + 1h + 10s - 102ms);
}

TEST(EngineCancel, IfItWantsAFixedLeaseAGrantIsClaimedFirst) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.acquire(2, {.key = "job", .renew = false});
  script.cancel(1);
  script.expect({"1 cancelled"});
  script.at(1s).message("grant T1 9 2000000");
  script.expect({"acquire job T1 30000 ticket 77"});
}

TEST(EngineCancel, BehindATryItQueuesItself) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .wait = false});
  script.acquire(2);
  script.cancel(1);
  script.expect(
      {"acquire job T1 30000 try", "1 cancelled", "release job T1", "acquire job T2 30000"});
  script.reply("T1 busy 5000");
  script.reply("T1 not_held");
  script.reply("T2 acquired 5");
  script.expect({"2 obtained 5.0"});
}

TEST(EngineCancel, TheDeadlineEndsTheWait) {
  EngineScript script;
  script.at(0ms).queue(1, until(1s));
  script.expect_timer(1s);
  script.at(999ms).timer();
  script.expect({});
  script.at(1s).timer();
  script.expect({"1 timed out", "release job T1"});
  EXPECT_EQ(script.engine.stats().timed_out, 1U);
}

TEST(EngineCancel, TheDeadlineEndsTheWaitForAThreadOfThisClient) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2, until(1s));
  script.at(1s).timer();
  script.expect({"2 timed out"});
  script.release(1);
  script.reply("T1 released");
  script.expect({"release job T1", "1 released"});
  script.expect_idle();
}

TEST(EngineCancel, ADeadlineThatIsMetIsForgotten) {
  EngineScript script;
  script.at(0ms).obtain(1, until(1s));
  script.acquire(2, until(2s));
  script.at(50ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.at(2s).timer();
  script.expect({"renew job T1 30000 .1"});
  EXPECT_EQ(script.engine.stats().timed_out, 0U);
}

TEST(EngineCancel, ADeadlineThatWasPassedBeforeStillSendsOneRequest) {
  EngineScript script;
  script.at(1s).acquire(1, until(0s));
  script.expect({"acquire job T1 30000"});
  script.expect_timer(0s);
  script.timer();
  script.expect({"1 timed out", "release job T1"});
}

TEST(EngineCancel, TheDeadlineOfAnUnansweredTryIsAFailure) {
  EngineScript script;
  auto wish = until(1s);
  wish.wait = false;
  script.at(0ms).acquire(1, wish);
  script.at(1s).timer();
  script.expect({"acquire job T1 30000 try", "1 failed: unreachable", "release job T1"});
}

}  // namespace
}  // namespace dlock::core
