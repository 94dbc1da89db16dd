// Hold: when a lease counts as lost, and why.
#include "core/engine/hold_fixture.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST_F(HoldTest, TheLossIsToldBeforeValidityEndsByTheMargin) {
  const auto lease = hold();
  EXPECT_EQ(lease.overdue(at(28697ms)), Loss::none);
  EXPECT_EQ(lease.overdue(at(28698ms)), Loss::expired);
}

TEST_F(HoldTest, TheMarginTakesAtMostAQuarterOfAShortLease) {
  // Valid until 3 s less 32 ms; a margin of 10 s would leave nothing.
  const Hold lease{
      record, {.ttl = 30s, .safety_margin = 10s}, valid_until(at(0s), 3s, Drift{}), 3s, Drift{}, 0};
  EXPECT_EQ(lease.overdue(at(2217ms)), Loss::none);
  EXPECT_EQ(lease.overdue(at(2218ms)), Loss::expired);
}

TEST_F(HoldTest, ALeaseIsLostAtTheEndOfItsLongestHold) {
  auto lease = hold({.ttl = 30s, .safety_margin = 1s, .end = at(35s)});
  EXPECT_EQ(lease.timer(), at(10s));
  lease.on_renewing({});
  lease.on_renewed(at(10s), 30s);
  EXPECT_EQ(record->end(), at(35s));
  EXPECT_EQ(lease.timer(), at(35s));
  EXPECT_EQ(lease.overdue(at(34999ms)), Loss::none);
  EXPECT_EQ(lease.overdue(at(35s)), Loss::max_hold);
}

TEST_F(HoldTest, ALongestHoldShorterThanTheMarginLastsAsLongAsItSays) {
  const auto lease = hold({.ttl = 30s, .safety_margin = 1s, .end = at(500ms)});
  EXPECT_EQ(record->end(), at(500ms));
  EXPECT_EQ(lease.overdue(at(499ms)), Loss::none);
  EXPECT_EQ(lease.overdue(at(500ms)), Loss::max_hold);
}

TEST_F(HoldTest, ALeaseThatOutlastsItsLongestHoldIsNotRenewed) {
  const auto lease = hold({.ttl = 30s, .safety_margin = 1s, .end = at(20s)});
  EXPECT_EQ(lease.timer(), at(20s));
  EXPECT_FALSE(lease.renewal_due(at(15s), 0ms));
}

TEST_F(HoldTest, ALongestHoldThatEndsWithinTheMarginNeedsARenewal) {
  // Without one the lease would be told lost before, at 28698 ms.
  const auto lease = hold({.ttl = 30s, .safety_margin = 1s, .end = at(29s)});
  EXPECT_EQ(lease.timer(), at(10s));
  EXPECT_EQ(record->end(), at(29s));
  EXPECT_EQ(lease.overdue(at(28698ms)), Loss::expired);
}

TEST_F(HoldTest, TheNextHolderInTheProcessHasALongestHoldOfItsOwn) {
  auto lease = hold({.ttl = 30s, .safety_margin = 1s, .end = at(5s)});
  const auto next = std::make_shared<LeaseRecord>();
  lease.pass(next, at(6s));
  EXPECT_EQ(next->end(), at(6s));
  EXPECT_EQ(lease.overdue(at(5s)), Loss::none);
  EXPECT_EQ(lease.overdue(at(6s)), Loss::max_hold);

  const auto last = std::make_shared<LeaseRecord>();
  lease.pass(last, std::nullopt);
  EXPECT_EQ(last->end(), at(29698ms));
  EXPECT_EQ(lease.timer(), at(10s));
}

}  // namespace
}  // namespace dlock::core
