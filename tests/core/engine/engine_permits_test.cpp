// Engine: permits, of which many may be held by one client at once.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EnginePermits, EachWaitAsksForItselfWithItsWeightAndTheCapacity) {
  EngineScript script;
  script.at(0ms).acquire(1, permits(1));
  script.acquire(2, permits(3));
  script.expect({"acquire gpu T1 30000 1 of 4 permits", "acquire gpu T2 30000 3 of 4 permits"});
  script.reply("T1 acquired 5");
  script.reply("T2 acquired 6");
  script.expect({"1 obtained 5.0", "2 obtained 6.0"});
  script.release(1);
  script.expect({"release gpu T1 permits"});
  script.reply("T1 released");
  script.expect({"1 released"});
  script.release(2);
  script.reply("T2 released");
  script.take();
  script.expect_idle();
}

TEST(EnginePermits, ATryIsNotRefusedForWhatThisClientHoldsItself) {
  EngineScript script;
  script.at(0ms).obtain(1, permits(1));
  auto tries = permits(1);
  tries.wait = false;
  script.acquire(2, tries);
  script.expect({"acquire gpu T2 30000 try 1 of 4 permits"});
  script.reply("T2 busy 20000");
  script.expect({"2 busy"});
}

TEST(EnginePermits, AnUpgradeGoesBeforeAllOthers) {
  EngineScript script;
  auto wish = permits(3);
  wish.permits->first = true;
  script.at(0ms).acquire(1, wish);
  script.expect({"acquire gpu T1 30000 wait_first 3 of 4 permits"});
  script.reply("T1 queued 20000 0 -77 1000000 ours");
  script.expect({});
  script.at(3s).timer();
  script.expect({"acquire gpu T1 30000 wait_first ticket -77 3 of 4 permits"});
}

TEST(EnginePermits, AGrantEndsTheWait) {
  EngineScript script;
  script.at(0ms).queue(1, permits(2));
  script.at(2s).message("grant T1 9 3000000");
  script.expect({"1 obtained 9.0"});
  script.expect_timer(2980ms);
}

TEST(EnginePermits, ANumberThatIsNotTheirsEndsTheWaitWithBothNumbers) {
  EngineScript script;
  script.at(0ms).acquire(1, permits(2));
  script.take();
  script.reply("T1 other 8");
  const auto actions = script.take();
  ASSERT_EQ(actions.size(), 1U);
  const auto& refusal = std::get<Refusal>(actions[0]);
  EXPECT_EQ(refusal.code, errc::usage);
  EXPECT_NE(refusal.what.find("has 8 permits, this client says 4"), std::string::npos);
  script.expect_idle();
}

TEST(EnginePermits, RenewalsOfOneKindGoTogether) {
  EngineScript script;
  script.at(0ms).obtain(1, permits(1));
  script.obtain(2);
  script.obtain(3, permits(1));
  script.at(10s).timer();
  script.expect({"renew gpu T3 30000 .5 gpu T1 30000 .5 permits", "renew job T2 30000 .0"});
  script.reply("T3 kl");
  script.expect({"1 lost: gone"});
  script.reply("T2 k");
  script.expect({});
}

TEST(EnginePermits, RenewalsThatHaveToWaitForOthersStayAmongTheirKind) {
  EngineScript script;
  for (WaiterId waiter = 1; waiter <= 1100; ++waiter) {
    script.at(0ms).obtain(waiter, {.key = "job" + std::to_string(waiter)});
  }
  script.at(1ms).obtain(2001, permits(1));
  script.obtain(2002, {.key = "late"});
  script.obtain(2003, permits(1));
  script.at(10001ms).timer();
  std::vector<std::string> first;
  for (const auto& action : script.take()) {
    first.push_back(std::get<Send>(action).command.args[0]);
  }
  ASSERT_EQ(first.size(), 8U);
  const auto kept = [&](std::size_t call) {
    const auto kept = first[call] + " " + std::string(128, 'k');
    script.engine.on_reply(Instant{} + 1h + 10002ms, {.text = kept});
    script.timer();
    std::vector<std::pair<Kind, std::size_t>> sent;
    for (const auto& action : script.take()) {
      const auto& command = std::get<Send>(action).command;
      sent.emplace_back(command.kind, command.keys.size() / 3);
    }
    return sent;
  };
  using Sent = std::vector<std::pair<Kind, std::size_t>>;
  EXPECT_EQ(kept(0), (Sent{{Kind::mutex, 77}}));
  EXPECT_EQ(kept(1), (Sent{{Kind::permits, 2}}));
}

TEST(EnginePermits, ALeaseThatRanOutIsReleasedByTheScriptOfItsKind) {
  EngineScript script;
  auto wish = permits(1);
  wish.renew = false;
  script.at(0ms).obtain(1, wish);
  script.at(30s).timer();
  script.expect({"1 lost: time_up"});
  script.release(1);
  script.expect({"1 not held", "release gpu T1 permits"});
}

TEST(EnginePermits, AfterAReconnectThatCouldNotKillTheNewTokenHasTheSameWeight) {
  EngineScript script;
  script.at(0ms).acquire(1, permits(3));
  script.take();
  script.on_disconnected();
  script.on_connected(false);
  script.expect({"connect", "subscribe", "enroll", "release gpu T1 permits",
                 "acquire gpu T2 30000 3 of 4 permits"});
}

TEST(EnginePermits, AnUnknownScriptIsSentInFull) {
  EngineScript script;
  script.at(0ms).acquire(1, permits(1));
  script.noscript();
  script.expect(
      {"acquire gpu T1 30000 1 of 4 permits", "acquire gpu T1 30000 1 of 4 permits in full"});
}

TEST(EnginePermits, AMutexNamedAsTheirInternalNamesIsNotTouched) {
  EngineScript script;
  script.at(0ms).obtain(1, permits(1));
  script.obtain(2, {.key = "gpu"});
  auto tries = permits(1);
  tries.wait = false;
  script.acquire(3, tries);
  script.expect({"acquire gpu T3 30000 try 1 of 4 permits"});
  script.error(errc::not_a_lock);
  script.expect({"3 failed: not_a_lock", "release gpu T3 permits"});
  script.reply("T3 not_held");
  script.release(1);
  script.expect({"release gpu T1 permits"});
  script.release(2);
  script.expect({"release gpu T2"});
}

AcquireRequest part(std::int64_t weight) {
  auto wish = permits(weight);
  wish.part = true;
  return wish;
}

TEST(EnginePermits, TheFenceOfAPartIsWrittenDown) {
  EngineScript script;
  script.at(0ms).obtain(1, part(1));
  script.engine.write_fence(Instant{} + 1h, *script.leases.at(1), 9, true);
  script.timer();
  script.expect({"write_fence gpu T1 30000 to 9 new permits"});
  script.noscript();
  script.expect({"write_fence gpu T1 30000 to 9 new permits in full"});
  script.reply("T1 written");
  script.expect({"1 written"});
  EXPECT_EQ(script.leases.at(1)->fence.counter, 9);
}

TEST(EnginePermits, AFenceThatAnotherHasIsPassed) {
  EngineScript script;
  script.at(0ms).obtain(1, part(1));
  script.engine.write_fence(Instant{} + 1h, *script.leases.at(1), 9, true);
  script.timer();
  script.take();
  script.reply("T1 passed 12");
  script.expect({"1 passed"});
  EXPECT_EQ(script.leases.at(1)->fence.counter, 12);
  script.engine.write_fence(Instant{} + 1h, *script.leases.at(1), 12, false);
  script.timer();
  script.expect({"write_fence gpu T1 30000 to 12 used permits"});
  script.reply("T1 passed on");  // that is no number
  script.expect({"disconnect", "1 written or not", "connect"});
}

TEST(EnginePermits, AFenceIsWrittenDownWhenTheReplyNamesTheTokenAndNotElse) {
  for (const auto* reply : {"T2 written", "written", "T1", "T2 lost", "T1 k", "T2 k"}) {
    EngineScript script;
    script.at(0ms).obtain(1, part(1));
    script.obtain(2, {.key = "other"});
    script.engine.write_fence(Instant{} + 1h, *script.leases.at(1), 9, true);
    script.timer();
    script.expect({"write_fence gpu T1 30000 to 9 new permits"});
    script.reply(reply);
    script.expect({"disconnect", "1 written or not", "connect"});
    EXPECT_EQ(script.leases.at(1)->loss.load(), Loss::none) << reply;
    EXPECT_EQ(script.leases.at(1)->fence.counter, 5) << reply;
  }
}

TEST(EnginePermits, TheFenceOfAMutexIsWrittenByTheSameRule) {
  AcquireRequest wish{.key = "job"};
  wish.part = true;
  EngineScript script;
  script.at(0ms).obtain(1, wish);
  script.obtain(2, {.key = "other"});
  script.engine.write_fence(Instant{} + 1h, *script.leases.at(1), 9, true);
  script.timer();
  script.take();
  script.reply("T2 written");
  script.expect({"disconnect", "1 written or not", "connect"});
}

TEST(EnginePermits, APartSaysThatItIsQueuedAndWhenTheServerCannotBeReached) {
  EngineScript script;
  script.at(0ms).acquire(1, part(1));
  script.take();
  script.reply(EngineScript::queued("T1"));
  script.expect({"1 queued"});
  script.on_disconnected();
  script.expect({"connect"});
  script.on_connect_failed();
  script.expect({"1 not heard"});
}

}  // namespace
}  // namespace dlock::core
