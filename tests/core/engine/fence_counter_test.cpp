// FenceCounter: when the server is spared the sync of its counter.
#include "core/engine/fence_counter.hpp"

#include <gtest/gtest.h>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class FenceCounterTest : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + 1h + when; }

  FenceCounter counter;
};

TEST_F(FenceCounterTest, NothingIsRecentBeforeTheFirstSync) {
  counter.on_given(7);
  EXPECT_EQ(counter.recent(at(0s)), 0);
}

TEST_F(FenceCounterTest, TheGreatestCounterIsRecentForASecondFromTheRequestThatSyncedIt) {
  counter.on_given(7);
  counter.on_given(9);
  counter.on_given(8);
  counter.on_synced(at(0s));
  EXPECT_EQ(counter.recent(at(999ms)), 9);
  EXPECT_EQ(counter.recent(at(1s)), 0);
}

TEST_F(FenceCounterTest, AfterAnErrorTheNextSyncMakesItRecentAgain) {
  counter.on_given(7);
  counter.on_synced(at(0s));
  counter.on_error();
  EXPECT_EQ(counter.recent(at(1ms)), 0);
  counter.on_synced(at(2ms));
  EXPECT_EQ(counter.recent(at(3ms)), 7);
}

TEST_F(FenceCounterTest, NothingOfAnEarlierConnectionCounts) {
  counter.on_given(7);
  counter.on_synced(at(0s));
  counter.on_disconnected();
  counter.on_given(3);
  counter.on_synced(at(1ms));
  EXPECT_EQ(counter.recent(at(2ms)), 3);
}

}  // namespace
}  // namespace dlock::core
