// Engine: connections that are lost and made again.
#include <gtest/gtest.h>

#include <set>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineReconnect, AConnectionIsMadeWhenItIsFirstNeeded) {
  EngineScript script{EngineScript::offline};
  script.expect_idle();
  script.at(0ms).acquire(1);
  script.acquire(2, {.key = "other"});
  script.expect({"connect"});
  script.at(1ms).on_connected();
  script.expect({"subscribe", "enroll", "acquire job T1 30000", "acquire other T2 30000"});
  EXPECT_EQ(script.engine.stats().reconnects, 0U);
}

TEST(EngineReconnect, WaitsAskAgainWithTheirTicket) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.expect({"connect"});
  script.at(1001ms).on_connected();
  script.expect({"subscribe", "enroll", "acquire job T1 30000 ticket 77"});
  EXPECT_EQ(script.engine.stats().reconnects, 1U);
}

TEST(EngineReconnect, AWaiterDoesNotAskWhileThereIsNoConnection) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.expect({"connect"});
  script.expect_timer(std::nullopt);
  script.at(3s).timer();
  script.expect({});
}

TEST(EngineReconnect, LeasesAreRenewedAtOnce) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).on_disconnected();
  script.expect({"connect"});
  script.at(2s).reopen({"renew job T1 30000 .0"});
  script.reply("T1 k");
  script.expect({});
  script.expect_timer(12s);
}

TEST(EngineReconnect, AllLeasesAreRenewedAFewCallsAtATime) {
  EngineScript script;
  for (WaiterId waiter = 1; waiter <= 1500; ++waiter) {
    script.at(0ms).obtain(waiter, {.key = "job" + std::to_string(waiter)});
  }
  script.at(1s).on_disconnected();
  script.at(2s).on_connected();
  std::vector<Command> calls;
  const auto collect = [&] {
    for (auto& action : script.take()) {
      if (auto* send = std::get_if<Send>(&action); send && send->command.verb == Verb::renew) {
        calls.push_back(std::move(send->command));
      }
    }
  };
  collect();
  EXPECT_EQ(calls.size(), 8U);
  script.reply("OK");
  script.reply("OK");
  std::set<std::string> renewed;
  for (std::size_t call = 0; call < calls.size(); ++call) {
    const auto leases = calls[call].args.size() / 4;
    for (std::size_t i = 0; i < leases; ++i) {
      EXPECT_TRUE(renewed.insert(calls[call].args[1 + 4 * i]).second) << "once is enough";
    }
    script.reply(calls[call].args[0] + ' ' + std::string(leases, 'k'));
    collect();
  }
  EXPECT_EQ(renewed.size(), 1500U);
  EXPECT_EQ(calls.size(), 12U);
}

TEST(EngineReconnect, ALeaseThatIsDueMeanwhileGoesFirst) {
  EngineScript script;
  for (WaiterId waiter = 1; waiter <= 1500; ++waiter) {
    script.at(0ms).obtain(waiter, {.key = "job" + std::to_string(waiter)});
  }
  script.at(1s).obtain(2000, {.key = "short", .ttl = 3s});
  script.at(1500ms).on_disconnected();
  script.at(2s).timer();
  script.take();
  script.at(2100ms).on_connected();
  for (const auto& action : script.take()) {
    const auto* send = std::get_if<Send>(&action);
    if (send && send->command.verb == Verb::renew) {
      EXPECT_EQ(send->command.keys[1], "short");
      break;
    }
  }
}

TEST(EngineReconnect, OnlySoMuchIsDoneAtOnceByTheClock) {
  EngineScript script;
  for (WaiterId waiter = 1; waiter <= 10000; ++waiter) {
    script.at(0ms).obtain(waiter, {.key = "job" + std::to_string(waiter)});
  }
  script.at(1s).on_disconnected();
  script.take();
  script.at(20s).timer();
  ASSERT_TRUE(script.engine.next_timer());
  EXPECT_LE(*script.engine.next_timer(), Instant{} + 1h + 20s);
}

TEST(EngineReconnect, ReleasesGoBeforeRequests) {
  // A try must not find the lock taken by the lease that this client has given up.
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.expect({"release job T1"});
  script.on_disconnected();
  script.acquire(2, {.key = "job", .wait = false});
  script.expect({"connect"});
  script.at(1001ms).on_connected();
  script.expect({"subscribe", "enroll", "release job T1", "acquire job T2 30000 try"});
}

TEST(EngineReconnect, AnIdleClientStaysUnconnected) {
  EngineScript script;
  script.at(0ms).on_disconnected();
  script.expect({});
  script.expect_idle();
}

TEST(EngineReconnect, AFixedLeaseNeedsNoConnection) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .renew = false});
  script.at(1s).on_disconnected();
  script.expect({});
  script.expect_timer(28698ms);
}

TEST(EngineReconnect, FailedAttemptsComeMoreAndMoreSlowlyUpToOneASecond) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.expect({"connect"});
  script.at(1s).on_connect_failed();
  // Half of 20 ms, 40 ms, ...; the other half is random and almost nothing here.
  auto now = 1000ms;
  for (const auto wait : {10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 500ms, 500ms}) {
    script.expect({});
    const auto next = script.engine.next_timer();
    ASSERT_TRUE(next);
    now += wait;
    script.at(now - 1ms).timer();
    script.expect({});
    script.at(now + 1ms).timer();
    script.expect({"connect"});
    script.at(now).on_connect_failed();
  }
}

TEST(EngineReconnect, AConnectionThatBroughtNothingGoodCountsAsAFailedAttempt) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.on_disconnected();
  script.expect({"acquire job T1 30000", "connect"});
  script.at(1ms).open();
  script.at(2ms).on_disconnected();
  script.expect({});
  script.at(13ms).timer();
  script.expect({"connect"});
}

TEST(EngineReconnect, AGoodReplyMakesTheNextReconnectImmediate) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.on_disconnected();
  script.at(1ms).open();
  script.reply(EngineScript::queued("T1"));
  script.expect({});
  script.at(2ms).on_disconnected();
  script.expect({"connect"});
}

TEST(EngineReconnect, HalfOfTheWaitIsRandom) {
  auto settings = EngineScript::settings();
  settings.random = [](std::span<RandomBits> bits) {
    std::ranges::fill(bits, RandomBits{~std::uint64_t{0}, 0});
  };
  EngineScript script{EngineScript::offline, settings};
  script.open();
  script.at(0ms).queue(1);
  script.at(1s).on_disconnected();
  script.at(1s).on_connect_failed();
  script.expect_timer(1020ms);
}

TEST(EngineReconnect, WhenNothingIsWantedAnyMoreNoConnectionIsMade) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.on_disconnected();
  script.on_connect_failed();
  script.cancel(1);
  script.expect({"acquire job T1 30000", "connect", "1 cancelled"});
  script.at(31s).timer();  // by then the server has forgotten what was sent
  script.expect({});
  script.expect_idle();
}

TEST(EngineReconnect, ADisconnectThatWeAskedForIsNotAnswered) {
  EngineScript script;
  script.at(0ms).reply("nothing asked for this");
  script.expect({"disconnect"});
  script.on_disconnected();
  script.expect({});
}

}  // namespace
}  // namespace dlock::core
