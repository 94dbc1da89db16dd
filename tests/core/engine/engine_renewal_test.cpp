// Engine: renewals, and leases that cannot be renewed.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

/// A renewal that was sent: the names of its leases, and a reply to it that keeps them all.
struct SentRenewal {
  std::vector<std::string> names;
  std::string kept;
};

/// The renewals that were sent since the last look.
std::vector<SentRenewal> renewals_sent(EngineScript& script) {
  std::vector<SentRenewal> sent;
  for (const auto& action : script.take()) {
    const auto& command = std::get<Send>(action).command;
    auto& renewal = sent.emplace_back();
    for (std::size_t i = 1; i < command.keys.size(); i += 3) {
      renewal.names.push_back(command.keys[i]);
    }
    renewal.kept = command.args[0] + " " + std::string(renewal.names.size(), 'k');
  }
  return sent;
}

void obtain_many(EngineScript& script, WaiterId count) {
  for (WaiterId waiter = 1; waiter <= count; ++waiter) {
    script.at(0ms).obtain(waiter, {.key = "job" + std::to_string(waiter)});
  }
}

TEST(EngineRenewal, ALeaseIsRenewedEveryThirdOfItsTtl) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.expect_timer(10s);
  script.at(10s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.at(10001ms).reply("T1 k");
  script.expect({});
  script.expect_timer(20s);
  script.at(20s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.reply("T1 k");
  EXPECT_EQ(script.engine.stats().renewals, 2U);
  EXPECT_EQ(script.leases[1]->end(), Instant{} + 1h + 20s + 29698ms);
}

// The server may have forgotten it, and made the client the holder anew.
TEST(EngineRenewal, NoRenewalProlongsALeaseWhileTheServerIsAskedWhetherItIsStillTheSame) {
  EngineScript script;
  script.at(0ms).obtain(1);
  const auto end = script.leases[1]->end();
  script.at(10s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.forged("grant T1 99 9000000");
  script.expect({"acquire job T1 30000 keep"});
  script.at(10001ms).reply("T1 k");
  script.expect({});
  EXPECT_EQ(script.leases[1]->end(), end);
  script.reply("T1 acquired 99");
  script.expect({"release job T1", "1 lost: taken"});
}

TEST(EngineRenewal, ALeaseThatAMovingSlotDoesNotRenewIsStrandedAndMayBeRescued) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.at(10001ms).moving_error();
  script.expect({"1 blocked"});
  EXPECT_EQ(script.leases[1]->end(), Instant{} + 1h + 29698ms) << "not renewed by that alone";
  script.at(10500ms).unblock(1, 10002ms);
  script.expect({});
  EXPECT_EQ(script.leases[1]->end(), Instant{} + 1h + 10002ms + 29698ms);
  script.expect_timer(20002ms);
}

TEST(EngineRenewal, ARescueThatComesTooLateRescuesNothing) {
  EngineScript script;
  script.at(0ms).obtain(1);
  const auto lease = script.leases[1];
  script.at(10s).timer();
  script.moving_error();
  script.take();
  script.at(28698ms).timer();
  script.unblock(1, 10002ms);
  EXPECT_EQ(lease->loss.load(), Loss::expired);
  EXPECT_EQ(lease->left(Instant{} + 1h + 28698ms), Duration::zero());
}

TEST(EngineRenewal, LeasesDueWithinFiftyMillisecondsAreRenewedInOneCall) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "a"});
  script.at(50ms).obtain(2, {.key = "b"});
  script.at(51ms).obtain(3, {.key = "c"});
  script.at(10s).timer();
  script.expect({"renew a T1 30000 .0 b T2 30000 .0"});
  script.expect_timer(10051ms);
  script.at(10051ms).timer();
  script.expect({"renew c T3 30000 .0"});
}

TEST(EngineRenewal, ACallCarriesAtMost128Leases) {
  EngineScript script;
  obtain_many(script, 300);
  script.at(10s).timer();
  std::vector<std::size_t> leases;
  for (const auto& renewal : renewals_sent(script)) {
    leases.push_back(renewal.names.size());
  }
  EXPECT_EQ(leases, (std::vector<std::size_t>{128, 128, 44}));
}

TEST(EngineRenewal, AtMostEightCallsAreUnderWayAndTheLeaseThatEndsFirstGoesFirst) {
  EngineScript script;
  obtain_many(script, 1100);
  script.at(5s).obtain(2000, {.key = "short", .ttl = 15003ms});
  script.at(10001ms).timer();
  const auto first = renewals_sent(script);
  ASSERT_EQ(first.size(), 8U);
  script.at(10002ms).reply(first[0].kept);
  const auto next = renewals_sent(script);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].names.size(), 77U);
  EXPECT_EQ(next[0].names[0], "short");
  script.reply(first[1].kept);
  script.expect({});
}

TEST(EngineRenewal, ALeaseReleasedWhileItsRenewalWaitsIsNotRenewed) {
  EngineScript script;
  obtain_many(script, 1026);
  script.at(10s).timer();
  const auto first = renewals_sent(script);
  ASSERT_EQ(first.size(), 8U);
  script.release(1);  // the last two to be due
  script.take();
  script.reply(first[0].kept);
  const auto next = renewals_sent(script);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].names, std::vector<std::string>{"job2"});
}

TEST(EngineRenewal, AServerThatAnswersSlowlyIsNotADeadOne) {
  EngineScript script;
  obtain_many(script, 1000);
  script.at(10s).timer();
  const auto sent = renewals_sent(script);
  ASSERT_EQ(sent.size(), 8U);
  auto now = 10s + 0ms;
  for (std::size_t call = 0; call < 5; ++call) {
    script.at(now += 1500ms).timer();
    script.expect({});
    script.reply(sent[call].kept);
  }
  script.at(now + 1999ms).timer();
  script.expect({});
  script.at(now + 2000ms).timer();
  script.expect({"disconnect", "connect"});
}

TEST(EngineRenewal, TheFirstRenewalOfAGrantLeavesTimeForAnotherConnection) {
  // The claim ends after 3 s. A dead connection must show soon enough for a second try.
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1ms).message("grant T1 9 1000000");
  script.expect({"1 obtained 9.0"});
  script.at(1s).timer();
  script.expect({"renew job T1 30000 .0"});
  const auto next = script.engine.next_timer();
  ASSERT_TRUE(next);
  EXPECT_LT(*next, Instant{} + 1h + 1700ms);
  script.at(1700ms).timer();
  script.expect({"disconnect", "connect"});
  script.reopen({"renew job T1 30000 .0"});
  script.at(1701ms).reply("T1 k");
  EXPECT_EQ(script.leases[1]->end(), Instant{} + 1h + 1700ms + 29698ms);
}

TEST(EngineRenewal, AServerThatIsSlowForARenewalGetsTheWholeTimeoutOnTheNextConnection) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 3s});
  script.at(1s).timer();
  script.expect({"renew job T1 3000 .0"});
  script.at(1900ms).timer();
  script.expect({"disconnect", "connect"});
  script.reopen({"renew job T1 3000 .0"});
  script.at(2600ms).timer();  // with the timeout of the first it would be over
  script.expect({});
  script.at(2601ms).reply("T1 k");
  script.at(3s).timer();
  script.expect({"renew job T1 3000 .0"});
  script.at(4s).timer();  // one was answered: as before
  script.expect({"disconnect", "connect"});
}

TEST(EngineRenewal, EachLeaseOfACallHasItsOwnAnswer) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "a"});
  script.at(1ms).obtain(2, {.key = "b"});
  script.at(2ms).obtain(3, {.key = "c"});
  script.at(10s).timer();
  script.expect({"renew a T1 30000 .0 b T2 30000 .0 c T3 30000 .0"});
  script.reply("T1 klk");
  script.expect({"2 lost: gone"});
  EXPECT_EQ(script.leases[1]->left(Instant{} + 1h + 10s), 29698ms);
  EXPECT_EQ(script.leases[2]->left(Instant{} + 1h + 10s), 0ms);
}

TEST(EngineRenewal, AnAnswerTooShortLeavesTheRestUnknown) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "a"});
  script.obtain(2, {.key = "b"});
  script.at(10s).timer();
  script.expect({"renew a T1 30000 .0 b T2 30000 .0"});
  script.reply("T1 k");
  script.at(11s).timer();
  script.expect({"renew b T2 30000 .0"});
}

TEST(EngineRenewal, AnErrorMeansUnknownNotLostAndIsTriedAgain) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.error(errc::read_only, "READONLY");
  script.expect({"renew job T1 30000 .0"});
  EXPECT_EQ(script.reports.size(), 1U);
  script.expect_timer(11s);
  script.at(11s).timer();
  script.expect({"renew job T1 30000 .0"});
}

TEST(EngineRenewal, AShortLeaseIsTriedAgainAfterATenthOfItsTtl) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 300ms});
  script.at(100ms).timer();
  script.error(errc::read_only, "READONLY");
  script.expect({"renew job T1 300 .0"});
  script.expect_timer(130ms);
}

TEST(EngineRenewal, AForgottenScriptIsSentInFullWithoutComplaint) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "a"});
  script.obtain(2, {.key = "b"});
  script.at(10s).timer();
  script.noscript();
  script.expect({"renew a T1 30000 .0 b T2 30000 .0", "renew a T1 30000 .0 b T2 30000 .0 in full"});
  EXPECT_TRUE(script.reports.empty());
  script.reply("T1 kk");
  script.expect_timer(20s);
}

TEST(EngineRenewal, WithoutAConfirmationTheLeaseIsLostBeforeItsValidityEnds) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.error(errc::read_only, "READONLY");
  script.expect({"renew job T1 30000 .0"});
  script.at(28697ms).timer();
  script.error(errc::read_only, "READONLY");
  script.expect({"renew job T1 30000 .0"});
  script.expect_timer(28698ms);
  script.at(28698ms).timer();
  script.expect({"1 lost: expired"});
  EXPECT_EQ(script.leases[1]->end(), Instant{} + 1h + 29698ms);
  EXPECT_EQ(script.leases[1]->left(Instant{} + 1h + 28698ms), 0ms);
  EXPECT_EQ(script.engine.stats().lost, 1U);
  script.expect_idle();
}

TEST(EngineRenewal, WithoutConnectionTheLeaseIsLostInTime) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(5s).on_disconnected();
  script.expect({"connect"});
  for (const auto now : {6s, 12s, 18s, 24s, 28s}) {
    script.at(now).timer();
    script.expect({});
  }
  script.at(28698ms).timer();
  script.expect({"1 lost: expired"});
}

TEST(EngineRenewal, AfterALossTheNextWaiterHereAsks) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(10s).timer();
  script.reply("T1 l");
  script.expect({"renew job T1 30000 .0", "1 lost: gone", "acquire job T2 30000"});
}

TEST(EngineRenewal, AConfirmationThatComesAfterTheLossIsIgnored) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(28650ms).timer();
  script.expect({"renew job T1 30000 .0"});
  script.at(28698ms).timer();
  script.reply("T1 k");
  script.expect({"1 lost: expired"});
  script.expect_idle();
}

TEST(EngineRenewal, TheLongestHoldEndsALeaseHoweverWellItIsRenewed) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .max_hold = 45s});
  for (const auto now : {10s, 20s}) {
    script.at(now).timer();
    script.reply("T1 k");
    script.expect({"renew job T1 30000 .0"});
  }
  script.expect_timer(45s);  // validity reaches beyond it now
  script.at(45s).timer();
  script.expect({"1 lost: max_hold"});
}

TEST(EngineRenewal, AFixedLeaseIsNotRenewedAndEndsInTime) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .ttl = 5s, .renew = false});
  // Valid for 5 s less 52 ms, lost half a second before.
  script.expect_timer(4448ms);
  script.at(4448ms).timer();
  script.expect({"1 lost: time_up"});
  script.expect_idle();
}

TEST(EngineRenewal, TheSafetyMarginIsATenthOfTheTtlUnlessItIsSet) {
  auto settings = EngineScript::settings();
  settings.safety_margin = 2s;
  EngineScript script{EngineScript::connected, settings};
  script.at(0ms).obtain(1, {.key = "job", .renew = false});
  script.expect_timer(27698ms);
}

TEST(EngineRenewal, JitterSpreadsTheRenewalsOfLeasesTakenTogether) {
  auto settings = EngineScript::settings();
  settings.random = [](std::span<RandomBits> bits) {
    std::ranges::fill(bits, RandomBits{~std::uint64_t{0}, 0});
  };
  EngineScript script{EngineScript::connected, settings};
  script.at(0ms).obtain(1);
  script.expect_timer(9s);
}

}  // namespace
}  // namespace dlock::core
