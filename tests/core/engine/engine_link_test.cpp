// Engine: how it knows that the connection lives and that others know this client.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineLink, SubscriptionAndRegistrationComeBeforeAnythingElse) {
  EngineScript script{EngineScript::offline};
  script.at(0ms).acquire(1);
  script.on_connected();
  std::vector<Command> sent;
  for (const auto& action : script.take()) {
    if (const auto* send = std::get_if<Send>(&action)) sent.push_back(send->command);
  }
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0].verb, Verb::subscribe);
  EXPECT_EQ(sent[0].keys, std::vector<std::string>{"dlock1:c:c11e47c11e47c11e"});
  EXPECT_EQ(sent[1].verb, Verb::enroll);
  EXPECT_EQ(sent[1].keys, std::vector<std::string>{"dlock1:client:{dlock1:c:c11e47c11e47c11e}"});
  EXPECT_EQ(sent[1].args, (std::vector<std::string>{"{}", "600000"}));
}

TEST(EngineLink, WithoutAReplyWithinTheRequestTimeoutTheConnectionIsDropped) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.expect_timer(2s);
  script.at(1999ms).timer();
  script.expect({});
  script.at(2s).timer();
  script.expect({"disconnect", "connect"});
}

TEST(EngineLink, TheOldestRequestIsTimed) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "a"});
  script.at(1s).acquire(2, {.key = "b"});
  script.expect_timer(2s);
  script.at(1500ms).reply("T1 acquired 5");
  script.expect_timer(3500ms);
}

TEST(EngineLink, WhileSomebodyWaitsASilentConnectionIsPingedEveryTwoSeconds) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.expect_timer(2s);
  script.at(2s).timer();
  script.expect({"ping"});
  script.at(2001ms).reply("PONG");
  script.expect_timer(2500ms);  // looks again
}

TEST(EngineLink, AnUnansweredPingDropsTheConnection) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(2s).timer();
  script.expect({"ping"});
  script.expect_timer(2500ms);
  script.at(2500ms).timer();
  script.expect({"acquire job T1 30000 ticket 77"});
  script.at(4s).timer();
  script.expect({"disconnect", "connect"});
}

TEST(EngineLink, AMessageShowsThatTheConnectionLives) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).message("next T1 60000");
  script.at(2s).timer();
  script.expect({});
  script.expect_timer(2500ms);
}

TEST(EngineLink, NobodyPingsWhenNobodyWaits) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.expect_timer(10s);
  script.at(5s).timer();
  script.expect({});
}

TEST(EngineLink, ASilentConnectionIsKeptAliveAlsoWhenNobodyWaits) {
  auto settings = EngineScript::settings();
  settings.keep_alive = 60s;
  EngineScript script{EngineScript::connected, settings};
  EXPECT_TRUE(script.engine.idle());
  script.expect_timer(60s);
  script.at(60s).timer();
  script.expect({"ping"});
  script.expect_timer(62s);
  script.at(61s).reply("PONG");
  script.expect_timer(121s);
  script.at(121s).timer();
  script.expect({"ping"});
  script.at(123s).timer();
  script.expect({"disconnect"});  // and nobody needs another connection
  script.expect_timer(std::nullopt);
}

TEST(EngineLink, AReleaseLeavesTimeForANewConnectionIfTheOldOneMayBeDead) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 1h});
  script.at(10s).release(1);
  script.expect({"release job T1"});
  script.expect_timer(11s);
  script.at(11s).timer();
  script.expect({"disconnect", "connect"});
  script.reopen({"release job T1"});
  script.at(11500ms).reply("T1 released");
  script.expect({"1 released"});
}

TEST(EngineLink, AReleaseHasItsTimeOnAConnectionThatLives) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 1h});
  script.at(4s).release(1);
  script.expect_timer(6s);
}

TEST(EngineLink, TheRegistrationIsRefreshedWhileThereIsSomethingToShow) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 1h});
  script.expect_timer(300s);
  script.at(300s).timer();
  script.expect({"enroll"});
  script.reply("OK");
  script.expect_timer(600s);
}

TEST(EngineLink, AnIdleClientLetsItsRegistrationRunOutAndRenewsItWithTheNextLock) {
  EngineScript script;
  script.expect_timer(std::nullopt);
  script.at(1h).obtain(1);
  script.expect_timer(300s);  // overdue
  script.timer();
  script.expect({"enroll"});
}

TEST(EngineLink, TimersBeforeTheirTimeDoNothing) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.obtain(2, {.key = "other"});
  script.at(1999ms).timer();
  script.timer();
  script.expect({});
}

TEST(EngineLink, EveryTimerThatIsServedMovesOn) {
  EngineScript script;
  script.at(0ms).queue(1, {.key = "a"});
  script.obtain(2, {.key = "b"});
  script.obtain(3, {.key = "c", .renew = false});
  script.obtain(4, {.key = "d"});
  script.release(4);
  for (int steps = 0; script.engine.next_timer() && steps < 1000; ++steps) {
    const auto now = *script.engine.next_timer();
    script.at(now - (Instant{} + 1h)).timer();
    const auto next = script.engine.next_timer();
    ASSERT_TRUE(!next || *next > now) << "after " << steps << " steps";
    for (const auto& action : script.take()) {
      if (std::holds_alternative<Connect>(action)) script.on_connect_failed();
    }
  }
  EXPECT_EQ(script.engine.stats().lost, 2U);
  script.expect_idle();
}

TEST(EngineLink, TheSameEventsGiveTheSameActions) {
  const auto play = [] {
    EngineScript script;
    for (WaiterId waiter = 1; waiter <= 50; ++waiter) {
      script.at(0ms).queue(waiter, {.key = "job" + std::to_string(100 - waiter)});
    }
    script.at(1s).on_disconnected();
    script.on_connected();
    std::vector<std::string> keys;
    for (const auto& action : script.take()) {
      const auto* send = std::get_if<Send>(&action);
      if (send && send->command.verb == Verb::acquire) keys.push_back(send->command.keys[0]);
    }
    return keys;
  };
  const auto keys = play();
  EXPECT_EQ(keys, play());
  EXPECT_EQ(keys.size(), 50U);
  // In the order in which the waits began.
  EXPECT_TRUE(std::is_sorted(keys.rbegin(), keys.rend()));
}

}  // namespace
}  // namespace dlock::core
