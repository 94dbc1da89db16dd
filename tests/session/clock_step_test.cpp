// The server's wall clock, which expiries follow, is set to another time.
#include <memory>

#include "support/client_fixture.hpp"
#include "support/frozen_clock.hpp"
#include "support/loss_watch.hpp"

namespace dlock::test {

namespace {

class ClockStep : public ClientTest {
 protected:
  ClockStep() : ClockStep(std::make_unique<FrozenClock>()) {}
  std::unique_ptr<FrozenClock> clock;

 private:
  explicit ClockStep(std::unique_ptr<FrozenClock> frozen)
      : ClientTest(frozen->options()), clock(std::move(frozen)) {}
};

TEST_F(ClockStep, ForwardGivesTheLockAwayAndItsHolderIsToldAtTheNextRenewal) {
  Client client{server.url()};
  Client there{server.url()};
  const DistributedLock lock{client, "m", {.ttl = 900ms}};
  LossWatch watch{lock};
  clock->advance(40s);
  const auto next = Mutex{there, "m"}.try_acquire();
  ASSERT_TRUE(next);
  EXPECT_TRUE(watch.is_told_in_time());
  EXPECT_GT(next->fence(), lock.fence());
  EXPECT_TRUE(holds("m", *next)) << "what the former holder does late leaves it alone";
}

TEST_F(ClockStep, BackLeavesTheLockToItsHolderAndFencesGrow) {
  Client client{server.url()};
  Client there{server.url()};
  std::int64_t fence = 0;
  {
    const DistributedLock lock{client, "m", {.ttl = 900ms}};
    clock->advance(-40s);
    const auto renewals = client.stats().renewals;
    EXPECT_TRUE(eventually([&] { return client.stats().renewals >= renewals + 2; }));
    lock.ensure_held();
    EXPECT_FALSE((Mutex{there, "m"}.try_lock()));
    fence = lock.fence();
  }
  EXPECT_GT((DistributedLock{there, "m"}.fence()), fence);
}

}  // namespace

}  // namespace dlock::test
