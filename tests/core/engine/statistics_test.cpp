// Statistics: what is counted, in which group, and what the sums are.
#include "core/engine/statistics.hpp"

#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

constexpr auto instant = Instant{} + 1h;

LeaseRecord& lease_of(GroupId group) {
  static LeaseRecord lease;
  lease.group = group;
  lease.since = instant;
  return lease;
}

TEST(StatisticsTest, ASpanBelongsToTheRangeBelowItsBound) {
  Spans spans;
  for (const Duration span :
       {Duration{-1}, Duration{0}, Duration{100us}, Duration{100us + 1ns}, Duration{200us},
        Duration{1s}, Duration{500s}, Duration{500s + 1ns}}) {
    spans.add(span);
  }
  Histogram histogram;
  spans.add_to(histogram);
  EXPECT_EQ(histogram.counts[0], 3U);
  EXPECT_EQ(histogram.counts[1], 2U);
  EXPECT_EQ(histogram.counts[12], 1U);  // 1 s
  EXPECT_EQ(histogram.counts[20], 1U);  // 500 s
  EXPECT_EQ(histogram.counts[21], 1U);
  EXPECT_EQ(histogram.count, 8U);
  EXPECT_NEAR(histogram.sum, 1001.0004, 1e-6);
}

TEST(StatisticsTest, TheRangesAreThoseOfTheHistogram) {
  for (std::size_t i = 0; i < Histogram::bounds.size(); ++i) {
    Spans spans;
    spans.add(std::chrono::round<Duration>(std::chrono::duration<double>{Histogram::bounds[i]}));
    spans.add(std::chrono::round<Duration>(std::chrono::duration<double>{Histogram::bounds[i]}) +
              1ns);
    Histogram histogram;
    spans.add_to(histogram);
    EXPECT_EQ(histogram.counts[i], 1U) << i;
    EXPECT_EQ(histogram.counts[i + 1], 1U) << i;
  }
}

TEST(StatisticsTest, AQuantileIsInterpolatedInItsRange) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.99), 0);
  histogram.counts[3] = 98;  // up to 1 ms
  histogram.counts[12] = 2;  // up to 1 s
  histogram.count = 100;
  EXPECT_NEAR(histogram.quantile(0.5), 0.0005 + 0.0005 * 50 / 98, 1e-9);
  EXPECT_NEAR(histogram.quantile(0.99), 0.75, 1e-9);
  histogram.counts[21] = 100;
  histogram.count = 200;
  EXPECT_EQ(histogram.quantile(0.99), 500);
}

TEST(StatisticsTest, EachGroupIsCountedApartAndAllAreSummed) {
  Statistics statistics;
  const auto orders = statistics.group("orders");
  EXPECT_EQ(statistics.group("orders"), orders);
  EXPECT_EQ(statistics.group(""), 0);
  statistics.acquired(lease_of(orders), AcquiredBy::grant, 3ms);
  statistics.handed_off(orders, 150us);
  statistics.acquired(lease_of(0), AcquiredBy::passing, 0ms);
  statistics.ended(instant + 40ms, lease_of(orders));
  statistics.lost(orders, Loss::taken);
  statistics.wait_began(0);
  statistics.timed_out(orders);
  const auto stats = statistics.stats();
  ASSERT_EQ(stats.groups.size(), 2U);
  const auto& group = stats.groups[1];
  EXPECT_EQ(group.group, "orders");
  EXPECT_EQ(group.acquired, 1U);
  EXPECT_EQ(group.granted, 1U);
  EXPECT_EQ(group.acquisitions[0][1], 1U);
  EXPECT_EQ(group.held, 0U);
  EXPECT_EQ(group.losses[static_cast<std::size_t>(LossReason::taken)], 1U);
  EXPECT_EQ(group.timed_out, 1U);
  EXPECT_NEAR(group.wait.sum, 0.003, 1e-9);
  EXPECT_NEAR(group.hold.sum, 0.04, 1e-9);
  EXPECT_EQ(group.handoff_gap.counts[1], 1U);
  EXPECT_EQ(stats.acquired, 2U);
  EXPECT_EQ(stats.passed, 1U);
  EXPECT_EQ(stats.held, 1U);
  EXPECT_EQ(stats.waiting, 1U);
  EXPECT_EQ(stats.lost, 1U);
  EXPECT_EQ(stats.wait.count, 2U);
}

TEST(StatisticsTest, GroupsBeyondTheLimitAreOneGroup) {
  Statistics statistics;
  for (std::size_t i = 0; i < 3 * Stats::max_groups; ++i) {
    static_cast<void>(statistics.group("group " + std::to_string(i)));
  }
  EXPECT_EQ(statistics.group("one more"), statistics.group(Stats::other_group));
  EXPECT_NE(statistics.group("group 0"), statistics.group(Stats::other_group));
  EXPECT_EQ(statistics.stats().groups.size(), Stats::max_groups + 2);
}

TEST(StatisticsTest, ALeaseIsOfTheKindThatItsHolderAskedFor) {
  EXPECT_EQ(lease_kind("a", Kind::mutex, {}), LeaseKind::mutex);
  EXPECT_EQ(lease_kind("a", Kind::permits, {1, shared_capacity}), LeaseKind::reader);
  EXPECT_EQ(lease_kind("a", Kind::permits, {writer_weight, shared_capacity}), LeaseKind::writer);
  EXPECT_EQ(lease_kind("a", Kind::permits, {upgradeable_weight, shared_capacity}),
            LeaseKind::upgradeable);
  EXPECT_EQ(lease_kind("a", Kind::permits, {upgrade_weight, shared_capacity}), LeaseKind::upgrade);
  EXPECT_EQ(lease_kind("a", Kind::permits, {1, 4}), LeaseKind::permits);
  EXPECT_EQ(lease_kind(parts_key("dlock1:l:a"), Kind::permits, {1, 4}), LeaseKind::part);
}

double sum(const EngineScript& script, Histogram LockStats::* histogram) {
  return (script.engine.stats().*histogram).sum;
}

TEST(EngineStatistics, AGrantIsMeasuredFromTheReleaseThatTheServersClockSaw) {
  EngineScript script;
  script.at(0ms).queue(1);
  EXPECT_EQ(script.engine.stats().waiting, 1U);
  script.at(2005ms).message("grant T1 9 3000000");  // at 2 s of this clock
  auto stats = script.engine.stats();
  EXPECT_EQ(stats.waiting, 0U);
  EXPECT_EQ(stats.held, 1U);
  EXPECT_NEAR(stats.handoff_gap.sum, 0.005, 1e-9);
  EXPECT_NEAR(stats.wait.sum, 2.005, 1e-9);
  script.at(2105ms).release(1);
  stats = script.engine.stats();
  EXPECT_EQ(stats.held, 0U);
  EXPECT_NEAR(stats.hold.sum, 0.1, 1e-9);
}

TEST(EngineStatistics, EachHolderOfAPassedLeaseHasAHoldOfItsOwn) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10ms).acquire(2);
  script.at(40ms).release(1);
  script.at(50ms).release(2);
  const auto stats = script.engine.stats();
  EXPECT_EQ(stats.hold.count, 2U);
  EXPECT_NEAR(stats.hold.sum, 0.05, 1e-9);
  EXPECT_NEAR(stats.wait.sum, 0.03, 1e-9);
  EXPECT_EQ(stats.handoff_gap.count, 0U);
  EXPECT_EQ(stats.held, 0U);
}

TEST(EngineStatistics, AReleaseThatFindsTheLockGoneIsALossAndTellsWhen) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10ms).release(1);
  script.reply("T1 not_held");
  const auto stats = script.engine.stats();
  EXPECT_EQ(stats.lost, 1U);
  EXPECT_EQ(stats.losses[static_cast<std::size_t>(LossReason::gone)], 1U);
  EXPECT_EQ(stats.released, 0U);
  EXPECT_NEAR(sum(script, &LockStats::hold), 0.01, 1e-9);
}

TEST(EngineStatistics, ALossHasItsReason) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .renew = false});
  script.at(30s).timer();
  const auto stats = script.engine.stats();
  EXPECT_EQ(stats.losses[static_cast<std::size_t>(LossReason::time_up)], 1U);
  EXPECT_EQ(stats.lost, 1U);
  EXPECT_EQ(stats.held, 0U);
}

}  // namespace
}  // namespace dlock::core
