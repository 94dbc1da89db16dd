// Backoff and its jitter.
#include "core/engine/backoff.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(BackoffTest, EachWaitIsTwiceTheLastOneUpToTheMaximum) {
  constexpr Backoff backoff{10ms, 50ms};
  Duration wait{};
  for (const auto expected : {10ms, 20ms, 40ms, 50ms, 50ms}) {
    wait = backoff.after(wait);
    EXPECT_EQ(wait, expected);
  }
}

TEST(BackoffTest, AMaximumBelowTheInitialWaitCounts) {
  EXPECT_EQ((Backoff{32ms, 5ms}.after({})), 5ms);
}

TEST(BackoffTest, HalfOfAWaitIsRandom) {
  constexpr auto all = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(jittered(100ms, {0, all}), 50ms);
  EXPECT_EQ(jittered(100ms, {all / 2 + 1, 0}), 75ms);
  EXPECT_LT(jittered(100ms, {all, 0}), 100ms);
  EXPECT_GT(jittered(100ms, {all, 0}), 99ms);
}

TEST(BackoffTest, AFractionIsLessThanOne) {
  EXPECT_EQ(fraction_of({0, 0}), 0.0);
  EXPECT_LT(fraction_of({std::numeric_limits<std::uint64_t>::max(), 0}), 1.0);
}

}  // namespace
}  // namespace dlock::core
