// Engine: many mutexes in one step, all of them or none.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineTogether, AllThatAreFreeAreObtainedInOneRoundTrip) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.expect({"acquire all 30000 a T1 b T2"});
  script.at(10ms).reply("T1 acquired 7 8");
  script.expect({"1 obtained 7.0", "2 obtained 8.0"});
  script.at(1s).release(1);
  script.release(2);
  script.expect({"release a T1", "release b T2"});
}

TEST(EngineTogether, IfOneIsNotFreeNoneIsAndNothingIsLeft) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.at(10ms).reply("T1 busy 100");
  script.expect({"acquire all 30000 a T1 b T2", "1 busy", "2 busy"});
  script.expect_idle();
}

TEST(EngineTogether, ALockThatThisClientHasOrWaitsForMakesAllBusy) {
  EngineScript script;
  script.at(0ms).obtain(9, {.key = "b"});
  script.at(1ms).acquire_all({"a", "b"});
  script.expect({"1 busy", "2 busy"});
}

TEST(EngineTogether, BeforeTheFirstConnectionTheyWaitForItTogether) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire_all({"a", "b"});
  script.expect({"connect"});
  script.at(1ms).reopen({"acquire all 30000 a T1 b T2"});
  script.reply("T1 acquired 7 8");
  script.expect({"1 obtained 7.0", "2 obtained 8.0"});
}

TEST(EngineTogether, AWaiterBehindOneThatLeftBeforeTheConnectionIsNotTakenAlong) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire_all({"a", "b"});
  script.acquire(3, {.key = "a"});
  script.cancel(1);
  script.expect({"connect", "1 cancelled"});
  script.at(1ms).reopen({"acquire a T1 30000", "acquire all 30000 b T2"});
}

TEST(EngineTogether, TheWholeScriptIsSentIfTheServerDoesNotKnowIt) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.noscript();
  script.expect({"acquire all 30000 a T1 b T2", "acquire all 30000 a T1 b T2 in full"});
  script.reply("T1 acquired 7 8");
  script.expect({"1 obtained 7.0", "2 obtained 8.0"});
}

TEST(EngineTogether, AfterAnErrorAllAreWithdrawnSinceTheScriptMayHaveRun) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.error(errc::store_unusable);
  script.expect({"acquire all 30000 a T1 b T2", "1 failed: another error", "release a T1",
                 "2 failed: another error", "release b T2"});
}

TEST(EngineTogether, ACancelledOneIsWithdrawnAndTheOthersAreAnswered) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.cancel(1);
  script.expect({"acquire all 30000 a T1 b T2", "1 cancelled", "release a T1"});
  script.reply("T1 acquired 7 8");
  script.expect({"2 obtained 8.0"});
  script.reply("T1 released");
  script.at(1s).release(2);
  script.reply("T2 released");
  script.expect({"release b T2", "2 released"});
  script.expect_idle();
}

TEST(EngineTogether, WithoutAnAnswerEachIsAskedForAgainAlone) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.at(1s).on_disconnected();
  EXPECT_TRUE(script.engine.has_unanswered());
  script.expect({"acquire all 30000 a T1 b T2", "connect"});
  script.at(1100ms).reopen({"acquire a T1 30000 try", "acquire b T2 30000 try"});
  script.reply("T1 acquired 7");
  script.reply("T2 busy 100");
  script.expect({"1 obtained 7.0", "2 busy"});
}

TEST(EngineTogether, WhereTheOldConnectionCouldNotBeKilledEachGetsANewTokenAndLeavesAGhost) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.at(1s).on_disconnected();
  script.expect({"acquire all 30000 a T1 b T2", "connect"});
  script.at(1100ms).reopen(
      {"release a T1", "acquire a T3 30000 try", "release b T2", "acquire b T4 30000 try"}, false);
  script.reply("T1 not_held");
  script.reply("T3 acquired 7");
  script.reply("T2 not_held");
  script.reply("T4 acquired 8");
  script.expect({"1 obtained 7.0", "2 obtained 8.0"});
  script.at(1600ms).timer();
  script.expect({"release a T1", "release b T2"});  // again and again, for a ttl
}

TEST(EngineTogether, ACancelledOneWithoutAnAnswerLeavesAGhostToo) {
  EngineScript script;
  script.at(0ms).acquire_all({"a", "b"});
  script.cancel(1);
  script.at(1s).on_disconnected();
  script.at(1100ms).on_connected(false);
  script.expect({"acquire all 30000 a T1 b T2", "1 cancelled", "release a T1", "connect",
                 "subscribe", "enroll", "release a T1", "release b T2", "acquire b T3 30000 try"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 not_held");
  script.at(1600ms).timer();
  script.expect({"release a T1"});
}

TEST(EngineTogether, AReplyThatMakesNoSenseClosesTheConnection) {
  for (const auto* reply : {"T2 acquired 7 8", "T1 acquired 7", "T1 acquired 7 x", "T1 queued 1"}) {
    EngineScript script;
    script.at(0ms).acquire_all({"a", "b"});
    script.reply(reply);
    script.expect({"acquire all 30000 a T1 b T2", "disconnect", "connect"});
    EXPECT_TRUE(script.engine.has_unanswered());
  }
}

}  // namespace
}  // namespace dlock::core
