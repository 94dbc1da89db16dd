// Hold: renewals, and what the holder is shown.
#include "core/engine/hold.hpp"

#include "core/engine/hold_fixture.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST_F(HoldTest, TheRecordShowsTheEndOfValidity) {
  const auto lease = hold();
  EXPECT_EQ(record->end(), at(29698ms));
  EXPECT_EQ(record->left(at(10s)), 19698ms);
  EXPECT_EQ(record->left(at(29698ms)), 0ms);
  EXPECT_EQ(record->left(at(40s)), 0ms);
}

TEST_F(HoldTest, ALostLeaseHasNothingLeft) {
  auto lease = hold();
  lease.lose(Loss::broken);
  EXPECT_EQ(record->left(at(0s)), 0ms);
  EXPECT_EQ(record->loss.load(), Loss::broken);
}

TEST_F(HoldTest, ARenewalIsDueAfterAThirdOfTheTtl) {
  const auto lease = hold();
  EXPECT_EQ(lease.timer(), at(10s));
  EXPECT_FALSE(lease.renewal_due(at(9999ms), 0ms));
  EXPECT_TRUE(lease.renewal_due(at(10s), 0ms));
}

TEST_F(HoldTest, ARenewalGoesAlongWithOthersALittleEarly) {
  const auto lease = hold();
  EXPECT_FALSE(lease.renewal_due(at(9949ms), 50ms));
  EXPECT_TRUE(lease.renewal_due(at(9950ms), 50ms));
}

TEST_F(HoldTest, JitterBringsTheRenewalForwardByUpToATenth) {
  EXPECT_EQ(hold({.ttl = 30s, .safety_margin = 1s}, 1.0).timer(), at(9s));
  EXPECT_EQ(hold({.ttl = 30s, .safety_margin = 1s}, 0.5).timer(), at(9500ms));
}

TEST_F(HoldTest, AGrantedLeaseIsRenewedAfterAThirdOfItsClaim) {
  const Hold lease{
      record, {.ttl = 30s, .safety_margin = 1s}, valid_until(at(0s), 3s, Drift{}), 3s, Drift{}, 0};
  EXPECT_EQ(record->end(), at(2968ms));
  EXPECT_EQ(lease.timer(), at(1s));
}

TEST_F(HoldTest, AConfirmedRenewalCountsFromWhenItLeft) {
  auto lease = hold();
  lease.on_renewing({});
  lease.on_renewed(at(10s), 30s);
  EXPECT_EQ(record->end(), at(39698ms));
  EXPECT_EQ(lease.timer(), at(20s));
}

TEST_F(HoldTest, AnOlderConfirmationNeverTakesValidityBack) {
  auto lease = hold();
  lease.on_renewing({});
  lease.on_renewed(at(10s), 30s);
  lease.on_renewed(at(5s), 30s);
  lease.on_renewed(at(10s), 1s);
  EXPECT_EQ(record->end(), at(39698ms));
  EXPECT_EQ(lease.timer(), at(20s));
}

TEST_F(HoldTest, AShorterConfirmationStillPutsOffTheNextRenewal) {
  // A token granted for 3 s whose holder wants 100 ms: the server keeps the longer expiry.
  Hold lease{
      record, {.ttl = 100ms, .safety_margin = 10ms}, valid_until(at(0s), 3s, Drift{}), 3s, Drift{},
      0};
  lease.on_renewing({});
  lease.on_renewed(at(1s), 100ms);
  EXPECT_EQ(record->end(), at(2968ms));
  EXPECT_GT(lease.timer(), at(1033ms));
}

TEST_F(HoldTest, WhileARenewalIsUnderWayOnlyTheLossIsTimed) {
  auto lease = hold();
  lease.on_renewing({});
  EXPECT_EQ(lease.timer(), at(28698ms));
  EXPECT_FALSE(lease.renewal_due(at(20s), 0ms));
}

TEST_F(HoldTest, ARenewalOfUnknownFateIsRepeatedAndTakesNothingAway) {
  auto lease = hold();
  lease.on_renewing({});
  lease.on_unknown(at(13s));
  EXPECT_EQ(record->end(), at(29698ms));
  EXPECT_EQ(lease.timer(), at(13s));
  EXPECT_EQ(lease.overdue(at(28697ms)), Loss::none);
}

TEST_F(HoldTest, AFixedLeaseIsNeverRenewed) {
  const auto lease = hold({.ttl = 30s, .safety_margin = 1s, .renew = false});
  EXPECT_EQ(lease.timer(), at(28698ms));
  EXPECT_FALSE(lease.renewal_due(at(28s), 1s));
}

TEST_F(HoldTest, AHandOffIsRecordedEarlyButNeverLaterThanTheRenewal) {
  auto lease = hold();
  lease.record_by(at(100ms));
  EXPECT_EQ(lease.timer(), at(100ms));
  lease.record_by(at(20s));
  EXPECT_EQ(lease.timer(), at(100ms));
}

TEST_F(HoldTest, TheNextHolderInTheProcessHasTheSameEndOfValidity) {
  auto lease = hold();
  const auto next = std::make_shared<LeaseRecord>();
  lease.pass(next, std::nullopt);
  EXPECT_EQ(lease.record(), next);
  EXPECT_EQ(next->end(), at(29698ms));
  lease.on_renewed(at(10s), 30s);
  EXPECT_EQ(next->end(), at(39698ms));
  EXPECT_EQ(record->end(), at(29698ms));
}

TEST_F(HoldTest, ALeaseIsFreshWhileTwoThirdsOfItAreLeft) {
  const auto lease = hold();
  EXPECT_TRUE(lease.fresh(at(10s)));
  EXPECT_FALSE(lease.fresh(at(10001ms)));
}

}  // namespace
}  // namespace dlock::core
