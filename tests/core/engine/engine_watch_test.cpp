// Engine: what it does when the server tells that the key of a lease changed.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class EngineWatch : public testing::Test {
 protected:
  static Engine::Settings settings() {
    auto settings = EngineScript::settings();
    settings.watches = true;
    return settings;
  }
  static AcquireRequest wish(Duration ttl = 1h) { return {.key = "job", .ttl = ttl}; }
  /// Obtained at 0 s, renewed and watched at 1 s.
  void hold(AcquireRequest request = wish()) {
    script.at(0ms).obtain(1, std::move(request));
    script.at(1s).timer();
    script.take();
    script.reply("T1 k");
    script.reply("1");
    script.expect({});
  }

  EngineScript script{EngineScript::connected, settings()};
};

TEST_F(EngineWatch, ALeaseIsRenewedAndWatchedAfterASecond) {
  script.at(0ms).obtain(1, wish(30s));
  script.expect_timer(1s);
  script.at(1s).timer();
  script.expect({"renew job T1 30000 .0", "watch job"});
  script.reply("T1 k");
  script.reply("1");
  script.at(11s).timer();
  script.expect({"renew job T1 30000 .0", "watch job"});
}

TEST_F(EngineWatch, AShortLeaseIsNotWatched) {
  script.at(0ms).obtain(1, wish());
  script.at(900ms).release(1);
  script.expect({"release job T1"});
}

TEST_F(EngineWatch, WithoutAnybodyWhoTellsThereIsNothingToWatch) {
  EngineScript plain;
  plain.at(0ms).obtain(1, wish(30s));
  plain.expect_timer(10s);
}

TEST_F(EngineWatch, AChangeIsOnlyAReasonToAsk) {
  hold();
  script.at(5s).changed("job");
  script.expect({});
  script.expect_timer(5s);
  script.timer();
  script.expect({"renew job T1 3600000 .0", "watch job"});
  script.reply("T1 k");
  script.reply("1");
  script.expect({});
  EXPECT_GT(script.leases.at(1)->left(Instant{} + 1h + 5s), 3500s);
}

TEST_F(EngineWatch, TheServersAnswerIsALoss) {
  hold();
  script.at(5s).changed("job");
  script.timer();
  script.take();
  script.reply("T1 l");
  script.expect({"1 lost: gone"});
  script.reply("0");
  script.expect_idle();
}

TEST_F(EngineWatch, AnotherKeyOrALeaseThatIsOverConcernsNobody) {
  hold();
  script.at(5s).changed("other");
  script.changed("job ");
  script.timer();
  script.expect({});
  script.release(1);
  script.reply("T1 released");
  script.take();
  script.changed("job");
  script.flushed();
  script.expect_idle();
}

TEST_F(EngineWatch, AFlushConcernsAllLeasesAndAllWaits) {
  hold();
  script.at(2s).queue(2, {.key = "other"});
  script.at(3s).flushed();
  script.timer();
  script.expect({"renew job T1 3600000 .0", "watch job", "acquire other T2 30000 ticket 77"});
}

TEST_F(EngineWatch, DoubtsThatAreFalseAgainAndAgainBecomeRare) {
  hold();
  script.at(5s).changed("job");
  script.timer();
  script.reply("T1 k");
  script.reply("1");
  script.at(5001ms).changed("job");
  script.expect_timer(5100ms);
  script.at(5100ms).timer();
  script.reply("T1 k");
  script.reply("1");
  script.at(5101ms).changed("job");
  script.expect_timer(5300ms);
  script.at(5300ms).timer();
  script.reply("T1 k");
  script.reply("1");
  script.take();
  // A renewal without a doubt shows that it was only for a while.
  script.at(1300s).timer();
  script.reply("T1 k");
  script.reply("1");
  script.at(1301s).changed("job");
  script.expect_timer(1301s);
}

TEST_F(EngineWatch, FewerKeysThanLeasesAreAReasonToAsk) {
  script.at(0ms).obtain(1, wish());
  script.at(1s).timer();
  script.take();
  script.reply("T1 k");
  script.reply("0");
  script.timer();
  script.expect({"renew job T1 3600000 .0", "watch job"});
}

TEST_F(EngineWatch, AServerThatTellsNothingIsNotAskedAgainOnThisConnection) {
  script.at(0ms).obtain(1, wish(30s));
  script.at(1s).timer();
  script.take();
  script.reply("T1 k");
  script.answer({.text = "1", .what = "give it the right", .refuses_watch = true});
  ASSERT_EQ(script.reports.size(), 1U);
  EXPECT_NE(script.reports[0].find("give it the right"), std::string::npos);
  script.at(11s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.reply("T1 k");
  script.at(12s).on_disconnected();
  script.take();
  script.reopen({"renew job T1 30000 .0", "watch job"});
}

TEST_F(EngineWatch, AnErrorOfAnotherKindLeavesTheRestToTheRenewal) {
  script.at(0ms).obtain(1, wish(30s));
  script.at(1s).timer();
  script.take();
  script.reply("T1 k");
  script.passing_error();
  script.expect({});
  script.at(11s).timer();
  script.expect({"renew job T1 30000 .0", "watch job"});
}

TEST_F(EngineWatch, ALeaseOfFixedLengthIsWatchedAlsoOnANewConnectionAndGetsNoLonger) {
  auto fixed = wish(60s);
  fixed.renew = false;
  hold(fixed);
  const auto end = script.leases.at(1)->end();
  script.at(5s).changed("job");
  script.timer();
  script.expect({"renew job T1 54398 .0", "watch job"});
  script.reply("T1 k");
  script.reply("1");
  EXPECT_EQ(script.leases.at(1)->end(), end);
  script.at(20s).on_disconnected();
  script.expect({});  // as without a watch, nobody needs a connection for it
}

TEST_F(EngineWatch, ALeaseThatMaxHoldEndsFirstIsAskedForAgainAfterAnError) {
  auto limited = wish(60s);
  limited.max_hold = 40s;
  hold(limited);
  script.at(5s).changed("job");
  script.timer();
  script.expect({"renew job T1 60000 .0", "watch job"});
  script.error(errc::loading, "LOADING");
  script.reply("1");
  script.expect({});
  script.at(7s).timer();
  script.expect({"renew job T1 60000 .0", "watch job"});
  script.reply("T1 k");
  script.reply("1");
  script.at(20s).on_disconnected();
  script.expect({"connect"});
}

TEST_F(EngineWatch, ADoubtAboutPermitsLeavesTheirKeyAsItIs) {
  auto request = permits(1);
  request.ttl = 1h;
  hold(request);
  script.at(5s).changed("gpu");
  script.timer();
  script.expect({"renew gpu T1 1 .5 permits", "watch gpu"});
  const auto end = script.leases.at(1)->end();
  script.reply("T1 k");
  script.reply("1");
  EXPECT_EQ(script.leases.at(1)->end(), end);
  script.at(6s).changed("gpu");
  script.timer();
  script.take();
  script.reply("T1 l");
  script.expect({"1 lost: gone"});
}

TEST_F(EngineWatch, TheFirstWaiterHearsThatAnotherProgramGivesUpAndNeedNotPoll) {
  script.at(0ms).acquire(1, wish(30s));
  script.take();
  script.reply("T1 queued 20000 0 77 1000000 foreign");
  script.expect({"watch job"});
  script.expect_timer(100ms);
  script.at(10ms).reply("1");
  script.expect_timer(2010ms);  // a ping
  script.at(500ms).changed("job");
  script.timer();
  script.expect({"acquire job T1 30000 ticket 77"});
}

TEST_F(EngineWatch, TheFirstWaiterAsksAtOnceIfTheLockIsGoneMeanwhile) {
  script.at(0ms).acquire(1, wish(30s));
  script.reply("T1 queued 20000 0 77 1000000 foreign");
  script.take();
  script.at(10ms).reply("0");
  script.timer();
  script.expect({"acquire job T1 30000 ticket 77"});
}

TEST_F(EngineWatch, WhereNobodyTellsTheFirstWaiterPolls) {
  script.at(0ms).acquire(1, wish(30s));
  script.reply("T1 queued 20000 0 77 1000000 foreign");
  script.take();
  script.at(10ms).answer({.text = "1", .refuses_watch = true});
  script.expect_timer(100ms);
}

}  // namespace
}  // namespace dlock::core
