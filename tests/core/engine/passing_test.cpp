// Passing: which lease may go to whom inside a client.
#include "core/engine/passing.hpp"

#include <gtest/gtest.h>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class PassingTest : public testing::Test {
 protected:
  PassingTest() {
    lease.key = "job";
    lease.token = std::string_view{"dlock1:token"};
    lease.ttl = 30s;
    lease.fence = {5, 0};
  }
  [[nodiscard]] bool passes(Duration held = 0ms, bool renews = true) const {
    return may_pass(Instant{} + 1h + held, lease, renews, Instant{} + 1h, next);
  }

  LeaseRecord lease;
  AcquireRequest next{.key = "job"};
};

TEST_F(PassingTest, ALeaseGoesFromThreadToThreadForATenthOfASecond) {
  EXPECT_TRUE(passes(99ms));
  EXPECT_FALSE(passes(100ms));
}

TEST_F(PassingTest, ALeaseGoesToAtMost63OthersAsAFenceHasNoRoomForMore) {
  lease.fence.sequence = Fence::max_sequences - 2;
  EXPECT_TRUE(passes());
  lease.fence.sequence = Fence::max_sequences - 1;
  EXPECT_FALSE(passes());
}

TEST_F(PassingTest, OnlyALeaseOfTheSameTtlThatBothRenewGoesOn) {
  EXPECT_FALSE(passes(0ms, false));
  next.renew = false;
  EXPECT_FALSE(passes());
  next = {.key = "job", .ttl = 29s};
  EXPECT_FALSE(passes());
}

TEST_F(PassingTest, TheNextHolderHasTheSameTokenAndAGreaterFence) {
  const auto next_lease = pass_on(Instant{} + 2h, lease, 9, next);
  EXPECT_EQ(next_lease->id, 9u);
  EXPECT_EQ(next_lease->key, "job");
  EXPECT_EQ(next_lease->token, lease.token);
  EXPECT_EQ(next_lease->ttl, 30s);
  EXPECT_EQ(next_lease->since, Instant{} + 2h);
  EXPECT_EQ(next_lease->fence.number(), lease.fence.number() + 1);
}

}  // namespace
}  // namespace dlock::core
