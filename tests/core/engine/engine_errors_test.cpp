// Engine: what the server refuses.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineErrors, AnErrorEndsTheWaitAndItsTokenIsReleasedForTheScriptMayHaveRun) {
  for (const auto code : {errc::refused, errc::read_only, errc::not_a_lock}) {
    EngineScript script;
    script.at(0ms).acquire(1);
    script.expect({"acquire job T1 30000"});
    script.error(code);
    const std::string name = code == errc::refused     ? "refused"
                             : code == errc::read_only ? "read_only"
                                                       : "not_a_lock";
    script.expect({"1 failed: " + name, "release job T1"});
    script.reply("T1 not_held");
    script.expect_idle();
  }
}

TEST(EngineErrors, EachOfTheWaitersHereGetsItsOwnAnswer) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.acquire(2);
  script.expect({"acquire job T1 30000"});
  script.error(errc::read_only);
  script.expect({"release job T1", "1 failed: read_only", "acquire job T2 30000"});
  script.reply("T1 not_held");
  script.reply("T2 acquired 5");
  script.expect({"2 obtained 5.0"});
}

TEST(EngineErrors, AForgottenAcquireScriptIsSentInFullWithAllItCarried) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1s).release(1);
  script.expect({"acquire job T2 30000 giving up T1"});
  script.noscript();
  script.expect({"acquire job T2 30000 giving up T1 in full"});
  script.reply("T2 acquired 6 released");
  script.expect({"1 released", "2 obtained 6.0"});
  script.at(2s).release(2);
  script.reply("T2 released");
  script.expect({"release job T2", "2 released"});
  script.expect_idle();
}

TEST(EngineErrors, AForgottenScriptOfACancelledAcquireIsNotSentAgain) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1s).release(1);
  script.cancel(2);
  script.expect({"acquire job T2 30000 giving up T1", "2 cancelled", "release job T2"});
  script.noscript();  // but what rode with it has to be released
  script.expect({"release job T1"});
  script.noscript();
  script.expect({"release job T2 in full"});
  script.reply("T1 released");
  script.reply("T2 not_held");
  script.expect({"1 released"});
  script.expect_idle();
}

TEST(EngineErrors, AnErrorOfAYieldReleasesWhatItShouldHaveGivenUp) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1s).release(1);
  script.expect({"acquire job T2 30000 giving up T1"});
  script.error(errc::refused);
  script.expect({"release job T1", "2 failed: refused", "release job T2"});
  script.reply("T1 released");
  script.reply("T2 not_held");
  script.expect({"1 released"});
  script.expect_idle();
}

TEST(EngineErrors, APassingStateReleasesAYieldAloneAndAsksAgain) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1s).release(1);
  script.passing_error();
  script.expect({"acquire job T2 30000 giving up T1", "release job T1"});
  script.reply("T1 released");
  script.expect({"1 released"});
  script.at(1250ms).timer();
  script.expect({"acquire job T2 30000"});
}

TEST(EngineErrors, WithoutTheRightToSubscribeAFreeLockCanStillBeTaken) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire(1);
  script.on_connected();
  script.expect({"connect", "subscribe", "enroll", "acquire job T1 30000"});
  script.error(errc::refused, "NOPERM");
  script.reply("OK");
  script.reply("T1 acquired 5");
  script.expect({"1 obtained 5.0"});
}

TEST(EngineErrors, WithoutTheRightToSubscribeNobodyQueues) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire(1);
  script.on_connected();
  script.expect({"connect", "subscribe", "enroll", "acquire job T1 30000"});
  script.error(errc::refused, "NOPERM");
  script.reply("OK");
  script.reply(EngineScript::queued("T1"));
  script.expect({"1 failed: refused", "release job T1"});
  script.reply("T1 not_held");
  script.acquire(2);
  script.acquire(3);
  script.expect({"acquire job T2 30000"});
  script.reply(EngineScript::queued("T2"));
  script.expect({"release job T2", "2 failed: refused", "acquire job T3 30000"});
  script.reply("T2 not_held");
  script.reply(EngineScript::queued("T3"));
  script.expect({"3 failed: refused", "release job T3"});
}

TEST(EngineErrors, ANewConnectionMaySubscribeAgain) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).on_connected();
  script.error(errc::refused, "NOPERM");
  script.reply("OK");
  script.on_disconnected();
  script.open();
  script.acquire(1);
  script.expect({"acquire job T1 30000"});
  script.reply(EngineScript::queued("T1"));
  script.expect({});
}

TEST(EngineErrors, WithoutTheRightToRegisterEverythingElseWorks) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).on_connected();
  script.reply("OK");
  script.error(errc::refused, "NOPERM");
  script.expect({"subscribe", "enroll"});
  EXPECT_EQ(script.reports.size(), 1U);
  script.obtain(1);
  EXPECT_TRUE(script.leases.contains(1));
}

TEST(EngineErrors, ALeaseThatIsShorterThanTheRepliesTakeFailsAfterFiveTries) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .ttl = 20ms});
  script.expect({"acquire job T1 20"});
  for (const auto now : {20ms, 40ms, 60ms, 80ms}) {
    script.at(now).reply("T1 acquired 5");
    script.expect({"acquire job T1 20"});
  }
  script.at(100ms).reply("T1 acquired 5");
  script.expect({"1 failed: unreachable", "release job T1"});
}

TEST(EngineErrors, AReplyThatLeavesAQuarterOfTheLeaseIsInTime) {
  // Valid until 17.8 ms; a quarter of 20 ms are left up to 12.8 ms.
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .ttl = 20ms});
  script.expect({"acquire job T1 20"});
  script.at(12ms).reply("T1 acquired 5");
  script.expect({"1 obtained 5.0"});
}

}  // namespace
}  // namespace dlock::core
