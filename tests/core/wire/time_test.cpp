// Time: validity, margins, and the age of a pushed grant.
#include "core/wire/time.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

Instant at(Duration when) { return Instant{} + 1h + when; }

constexpr ServerTime server(std::chrono::microseconds time) { return {time.count()}; }

TEST(Time, TheMarginIsAPartOfTheSpanAndAFixedPart) {
  const Drift drift{0.01, 2ms};
  EXPECT_EQ(drift.margin(30s), 302ms);
  EXPECT_EQ(drift.margin(0s), 2ms);
  EXPECT_EQ((Drift{0, 0ms}.margin(30s)), 0ms);
}

TEST(Time, APartOfANegativeSpanIsAsLargeAsOfAPositiveOne) {
  const Drift drift{0.01, 2ms};
  EXPECT_EQ(drift.part(-4s), 40ms);
  EXPECT_EQ(drift.part(4s), 40ms);
}

TEST(Time, ALeaseIsValidFromItsStartForItsLengthLessTheMargin) {
  EXPECT_EQ(valid_until(at(5s), 30s, Drift{}), at(5s + 29698ms));
}

TEST(Time, ALeaseShorterThanItsMarginIsNeverValid) {
  EXPECT_LT(valid_until(at(0s), 1ms, Drift{}), at(0s));
}

TEST(Time, TenYearsDoNotOverflow) {
  const Duration decade = 24h * 3652;
  EXPECT_EQ(valid_until(at(0s), decade, Drift{0.01, 0ms}), at(decade - decade / 100));
}

TEST(Time, AGrantBeganNoEarlierThanTheRequestPlusTheServersSpanLessDrift) {
  const ClockPair pair{at(0s), server(100s)};
  EXPECT_EQ(earliest(pair, server(104s), at(10s), Drift{}), at(3960ms));
  EXPECT_EQ(earliest(pair, server(100s), at(10s), Drift{}), at(0s));
}

TEST(Time, AGrantFromBeforeTheReplyBeganBeforeTheRequest) {
  const ClockPair pair{at(0s), server(100s)};
  EXPECT_EQ(earliest(pair, server(98s), at(10s), Drift{}), at(-2020ms));
}

TEST(Time, NothingFollowsFromAGrantThatBeganAfterItCame) {
  const ClockPair pair{at(0s), server(100s)};
  EXPECT_EQ(earliest(pair, server(104s), at(3959ms), Drift{}), std::nullopt);
  EXPECT_TRUE(earliest(pair, server(104s), at(3960ms), Drift{}));
}

TEST(Time, TheComputedStartIsNeverAfterTheTrueOneWhateverTheDriftWithinItsRate) {
  const bool held = rc::check([] {
    // True times: a request leaves, the server answers it, a grant is written, it arrives.
    const auto delay = [] {
      return Duration{std::chrono::microseconds{*rc::gen::inRange(0, 5'000'000)}};
    };
    const Duration answered = delay();
    const Duration granted = answered + delay();
    const Duration arrived = granted + delay();
    // Both clocks run wrong, together by less than 1 %.
    const double ours = 1 + *rc::gen::inRange(-49, 50) / 10000.0;
    const double theirs = 1 + *rc::gen::inRange(-49, 50) / 10000.0;
    const auto on_ours = [&](Duration time) {
      return at(Duration{static_cast<Duration::rep>(static_cast<double>(time.count()) * ours)});
    };
    const auto on_theirs = [&](Duration time) {
      return ServerTime{
          static_cast<std::int64_t>(static_cast<double>(time.count()) * theirs / 1000)};
    };
    const auto start = earliest({on_ours(0s), on_theirs(answered)}, on_theirs(granted),
                                on_ours(arrived), Drift{0.01, 2ms});
    RC_ASSERT(start.has_value());
    RC_ASSERT(*start <= on_ours(granted) + 2us);  // readings are cut to microseconds
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace dlock::core
