// Renewals: which leases go with the next call, and how long its reply may take.
#include "core/engine/renewals.hpp"

#include <gtest/gtest.h>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class RenewalsTest : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + 1h + when; }

  /// A lease that began then, with its timer armed.
  CohortPtr hold(Duration began = 0s, Duration ttl = 30s, Kind kind = Kind::mutex) {
    auto cohort = std::make_shared<Cohort>();
    cohort->id = ++last_id_;
    cohort->lock = {"job" + std::to_string(last_id_), kind};
    auto record = std::make_shared<LeaseRecord>();
    record->key = cohort->lock.key;
    record->token = make_token("0123456789abcdef", {last_id_, 2}, 3s);
    record->ttl = ttl;
    cohort->hold.emplace(record, Hold::Terms{.ttl = ttl, .safety_margin = ttl / 10},
                         valid_until(at(began), ttl, {}), ttl, Drift{}, 0);
    arm(cohort);
    return cohort;
  }
  void arm(const CohortPtr& cohort) {
    if (cohort->hold_timer) {
      timers.remove(*cohort->hold_timer);
    }
    cohort->hold_timer = timers.add(cohort->hold->timer(), cohort->id, {cohort, TimerKind::hold});
  }
  void queue_due(Duration when) {
    const auto due = Renewals::due(at(when), timers);
    renewals.queue(due);
    for (const auto& cohort : due) {
      arm(cohort);
    }
  }
  std::vector<CohortPtr> next(Duration when) { return renewals.next(at(when)); }
  RenewalBatch call(Duration when, const std::vector<CohortPtr>& due) {
    RenewalBatch batch;
    (void)renewals.call(at(when), due, batch);
    for (const auto& cohort : due) {
      arm(cohort);
    }
    return batch;
  }
  using Cohorts = std::vector<CohortPtr>;

  Renewals renewals{2s};
  Timers timers;

 private:
  std::uint64_t last_id_ = 0;
};

TEST_F(RenewalsTest, ACallIsOfOneKind) {
  const auto mutex = hold();
  const auto permits = hold(0s, 30s, Kind::permits);
  queue_due(10s);
  queue_due(10s);
  EXPECT_EQ(next(10s), Cohorts{mutex});
  EXPECT_EQ(next(10s), Cohorts{permits});
}

TEST_F(RenewalsTest, ALeaseThatIsOverMeanwhileIsLeftOut) {
  const auto over = hold();
  queue_due(10s);
  over->hold.reset();
  EXPECT_EQ(next(10s), Cohorts{});
}

TEST_F(RenewalsTest, OnANewConnectionLeasesOfEarlierOnesAreConfirmedOnce) {
  const auto old = hold(-1s);
  const auto fresh = hold(1s);
  EXPECT_EQ(next(2s), Cohorts{});
  renewals.on_connected(at(0s), timers);
  const auto due = next(2s);
  EXPECT_EQ(due, Cohorts{old});
  call(2s, due);
  EXPECT_EQ(next(2s), Cohorts{});
}

TEST_F(RenewalsTest, DueLeasesGoBeforeThoseToConfirm) {
  const auto due = hold(-12s);
  const auto old = hold(-1s);
  renewals.on_connected(at(0s), timers);
  queue_due(0s);
  EXPECT_EQ(next(0s), Cohorts{due});
  EXPECT_EQ(next(0s), Cohorts{old});
}

TEST_F(RenewalsTest, AReplyMayTakeHalfOfWhatALeaseHasLeft) {
  const auto cohort = hold(0s, 3s);
  const auto left = cohort->hold->timer() - at(1s);
  call(1s, {cohort});
  EXPECT_LT(renewals.calls().front().timeout, 1s);
  EXPECT_GE(renewals.calls().front().timeout, left / 2);
}

TEST_F(RenewalsTest, AReplyMayTakeTheRequestTimeoutIfTheLeaseIsLong) {
  call(10s, {hold()});
  EXPECT_EQ(renewals.calls().front().timeout, 2s);
}

TEST_F(RenewalsTest, AfterAConnectionThatARenewalEndedTheNextRepliesMayTakeLonger) {
  const auto cohort = hold(0s, 3s);
  call(1s, {cohort});
  renewals.on_timeout();
  renewals.on_disconnected();
  call(1s, {cohort});
  EXPECT_EQ(renewals.calls().front().timeout, 2s);
  renewals.on_good_reply();
  call(1s, {cohort});
  EXPECT_LT(renewals.calls().back().timeout, 1s);
}

TEST_F(RenewalsTest, AReplyToAFormerLeaseIsNotTakenForTheNextOnes) {
  const auto cohort = hold();
  const auto batch = call(10s, {cohort});
  EXPECT_TRUE(batch.is_current(0));
  auto record = std::make_shared<LeaseRecord>();
  record->token = make_token("0123456789abcdef", {99, 2}, 3s);
  cohort->hold->pass(record, {});
  EXPECT_FALSE(batch.is_current(0));
  cohort->hold.reset();
  EXPECT_FALSE(batch.is_current(0));
}

}  // namespace
}  // namespace dlock::core
