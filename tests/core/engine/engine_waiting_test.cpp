// Engine: waiting for a lock, until it is ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

TEST(EngineWaiting, AFreeLockIsTakenInOneRoundTrip) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.at(1ms).reply("T1 acquired 5");
  script.expect({"1 obtained 5.0"});
  EXPECT_EQ(script.engine.stats().acquired, 1U);
}

TEST(EngineWaiting, TheBitsOfATokenAndOfASealAreDrawnTogether) {
  auto settings = EngineScript::settings();
  std::vector<std::size_t> draws;
  std::uint64_t last = 0;
  settings.random = [&](std::span<RandomBits> bits) {
    draws.push_back(bits.size());
    for (auto& some : bits) some = {++last, 0};
  };
  EngineScript script{EngineScript::connected, std::move(settings)};
  script.acquire(1);
  EXPECT_THAT(draws, ElementsAre(2));
  script.acquire(2, {.key = "other", .wait = false});
  EXPECT_THAT(draws, ElementsAre(2, 1)) << "who does not wait needs no seal";
}

TEST(EngineWaiting, TheLeaseSaysWhatWasObtained) {
  EngineScript script;
  script.at(10ms).obtain(1, {.key = "{job}:1", .ttl = 10s});
  const auto& lease = *script.leases.at(1);
  EXPECT_EQ(lease.key, "{job}:1");
  EXPECT_EQ(client_of(lease.token), "c11e47c11e47c11e");
  EXPECT_EQ(lease.fence.number(), 5 * 64);
  EXPECT_EQ(lease.ttl, 10s);
  EXPECT_EQ(lease.end(), Instant{} + 1h + 10ms + 10s - 102ms);
  EXPECT_EQ(lease.loss.load(), Loss::none);
}

TEST(EngineWaiting, ValidityCountsFromWhenTheRequestLeft) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.at(1900ms).reply("T1 acquired 5");
  script.expect({"1 obtained 5.0"});
  EXPECT_EQ(script.leases.at(1)->end(), Instant{} + 1h + 29698ms);
}

TEST(EngineWaiting, ATryDoesNotQueue) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .wait = false});
  script.expect({"acquire job T1 30000 try"});
  script.at(1ms).reply("T1 busy 5000");
  script.expect({"1 busy"});
  script.expect_idle();
}

TEST(EngineWaiting, ATryOfALockThatThisClientHoldsIsBusyAtOnce) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2, {.key = "job", .wait = false});
  script.expect({"2 busy"});
}

TEST(EngineWaiting, ATryDoesNotOvertakeAWaiterOfThisClient) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.acquire(2, {.key = "job", .wait = false});
  script.expect({"2 busy"});
}

TEST(EngineWaiting, AWaiterBehindAFailedTryQueuesItself) {
  EngineScript script;
  script.at(0ms).acquire(1, {.key = "job", .wait = false});
  script.acquire(2);
  script.expect({"acquire job T1 30000 try"});
  script.at(1ms).reply("T1 busy 5000");
  script.expect({"1 busy", "acquire job T2 30000"});
}

TEST(EngineWaiting, OnlyTheFirstOfAClientStandsInTheServersQueue) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.acquire(2);
  script.acquire(3);
  script.expect({"acquire job T1 30000"});
  script.reply(EngineScript::queued("T1"));
  script.expect({});
}

TEST(EngineWaiting, TheQueuedWaiterLooksAgainWhenTheLeaseItWasToldOfEnds) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.at(300ms).reply(EngineScript::queued("T1", 1s));
  script.expect_timer(1001ms);
  script.at(1001ms).timer();
  script.expect({"acquire job T1 30000 ticket 77"});
  script.at(1002ms).reply("T1 acquired 8");
  script.expect({"1 obtained 8.0"});
}

TEST(EngineWaiting, ALongWaitIsShownToTheServerEveryTwoAndAHalfSeconds) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.expect({"acquire job T1 30000"});
  script.reply(EngineScript::queued("T1", 20s, 3));
  for (const auto now : {2500ms, 5000ms, 7500ms}) {
    script.at(now - 1ms).timer();
    script.expect({"ping"});
    script.reply("PONG");
    script.at(now).timer();
    script.expect({"acquire job T1 30000 ticket 77"});
    script.reply(EngineScript::queued("T1", 20s, 3));
  }
}

TEST(EngineWaiting, TheClaimInTheTokenIsThreeSecondsOrTheTtlIfThatIsLess) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "a", .ttl = 30s});
  script.obtain(2, {.key = "b", .ttl = 700ms});
  EXPECT_TRUE(script.leases.at(1)->token.text().ends_with(":3000"));
  EXPECT_TRUE(script.leases.at(2)->token.text().ends_with(":700"));
}

}  // namespace
}  // namespace dlock::core
