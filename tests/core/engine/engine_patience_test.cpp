// Engine: how long waits go on while no server answers.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EnginePatience, TheFirstConnectionIsWaitedForTenSecondsToo) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire(1);
  script.at(0ms).acquire(2, {.key = "other", .wait = false});
  script.expect({"connect"});
  script.at(1ms).on_connect_failed();
  script.expect({"2 failed: unreachable"});  // a try is not patient
  script.at(10000ms).timer();
  script.expect({"connect"});
  script.on_connect_failed();
  script.expect({});
  script.at(11500ms).timer();
  script.expect({"connect"});
  script.on_connect_failed();
  script.expect({"1 failed: unreachable"});
  script.expect_idle();
}

TEST(EnginePatience, AFirstConnectionThatCannotComeIsNotWaitedFor) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire(1);
  script.expect({"connect"});
  script.at(1ms).on_connect_failed(errc::unreachable, false);
  script.expect({"1 failed: unreachable"});
  script.expect_idle();
}

TEST(EnginePatience, ALostConnectionIsWaitedForTenSeconds) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.expect({"connect"});
  script.at(1s).on_connect_failed();
  script.expect({});
  script.at(10999ms).timer();
  script.expect({"connect"});
  script.on_connect_failed();
  script.expect({});
  script.at(11500ms).timer();
  script.expect({"connect"});
  script.on_connect_failed();
  script.expect({"1 failed: unreachable"});
}

TEST(EnginePatience, ARefusalIsNotWaitedOut) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.on_connect_failed(errc::refused);
  script.expect({"connect", "1 failed: refused"});
}

TEST(EnginePatience, AServerThatTakesConnectionsButNeverAnswersIsWaitedForAsLong) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  for (int times = 0; times < 10; ++times) {
    ASSERT_TRUE(script.engine.next_timer());
    script.at(*script.engine.next_timer() - (Instant{} + 1h)).timer();
    for (const auto& action : script.take()) {
      if (std::holds_alternative<Connect>(action)) {
        script.on_connected();
      } else if (const auto* refusal = std::get_if<Refusal>(&action)) {
        EXPECT_EQ(refusal->code, errc::unreachable);
        EXPECT_NE(refusal->what.find("; the last problem: "), std::string::npos) << refusal->what;
        EXPECT_GE(*script.engine.next_timer(), Instant{} + 1h + 12s);
        return;
      }
    }
  }
  ADD_FAILURE() << "the wait never ended";
}

TEST(EnginePatience, AnAnswerOfAScriptBeginsItAnew) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.at(10s).open();
  script.reply(EngineScript::queued("T1"));
  script.at(15s).on_disconnected();
  script.at(16s).on_connect_failed();
  script.expect({"connect"});
}

TEST(EnginePatience, ItBeginsWhenSomebodyWaits) {
  // An idle connection was closed long ago; that nobody answered since is nobody's trouble.
  EngineScript script;
  script.at(0ms).on_disconnected();
  script.at(1h).acquire(1);
  script.expect({"connect"});
  script.on_connect_failed();
  script.expect({});
  script.at(1h + 9s).timer();
  script.expect({"connect"});
  script.on_connect_failed();
  script.expect({});
  script.at(1h + 11s).timer();
  script.on_connect_failed();
  script.expect({"connect", "1 failed: unreachable"});
}

TEST(EnginePatience, APassingStateBeginsItWhenSomebodyWaits) {
  EngineScript script;
  script.at(0ms).on_disconnected();
  script.at(1s).open();
  script.at(100s).acquire(1);
  script.passing_error();
  script.expect({"acquire job T1 30000"});
  script.expect_timer(100s + 250ms);
}

TEST(EnginePatience, ADeadlineWithoutServerIsAFailureForNobodyKnowsWhetherTheLockWasFree) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .deadline = Instant{} + 1h + 500ms});
  script.on_disconnected();
  script.expect({"acquire job T1 30000", "connect"});
  script.at(500ms).timer();
  script.expect({"1 failed: unreachable"});
}

TEST(EnginePatience, AWaitThatEndsBeforeTheConnectionIsMadeAgainIsAFailure) {
  EngineScript script;
  script.at(0ms).on_disconnected();
  script.acquire(1, {.key = "job", .deadline = Instant{} + 1h + 1s});
  script.expect({"connect"});
  script.at(500ms).on_connect_failed();
  script.at(1s).timer();
  script.expect({"1 failed: unreachable"});
  script.acquire(2, {.key = "job", .deadline = Instant{} + 1h + 2s});
  script.at(2s).timer();
  script.expect({"connect", "2 failed: unreachable"});
}

TEST(EnginePatience, ALoadingServerIsAskedAgainAQuarterSecondLater) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.at(1ms).passing_error();
  script.expect_timer(251ms);
  script.at(251ms).timer();
  script.expect({"acquire job T1 30000"});
  script.at(252ms).reply("T1 acquired 5");
  script.expect({"1 obtained 5.0"});
}

TEST(EnginePatience, AServerThatNeverFinishesLoadingIsGivenUp) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.passing_error();
  script.at(9999ms).timer();
  script.passing_error();
  script.expect({"acquire job T1 30000", "acquire job T1 30000"});
  script.at(10249ms).timer();
  script.passing_error();
  script.expect({"acquire job T1 30000", "1 failed: loading", "release job T1"});
}

TEST(EnginePatience, ATryIsNotAskedAgainByALoadingServer) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .wait = false});
  script.passing_error();
  script.expect({"acquire job T1 30000 try", "1 failed: loading", "release job T1"});
}

}  // namespace
}  // namespace dlock::core
