// Code of the user that the library calls, and that calls back into the same objects.
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class Callbacks : public ClientTest {
 protected:
  /// Takes the part of a lock that was obtained last.
  void break_last(const std::string& name) {
    const auto holders = inspect_lock(other, name).holders;
    ASSERT_FALSE(holders.empty());
    EXPECT_EQ(break_lock(other, name, holders.back().fence), BreakOutcome::broken);
  }
  void TearDown() override {
    {
      const std::array gone{std::move(client), std::move(other)};
    }
    ClientTest::TearDown();
  }
  Client client{server.url()};
  Client other{server.url()};
};

TEST_F(Callbacks, OfALostUpgradeableLeaseMayAskIt) {
  SharedMutex mutex{client, "doc"};
  for (const bool upgraded : {false, true}) {
    auto lease = mutex.acquire_upgradeable();
    std::promise<void> told;
    const std::stop_callback on_loss{lease.lost(), [&] {
                                       EXPECT_FALSE(lease.held());
                                       EXPECT_EQ(lease.upgraded(), upgraded);
                                       EXPECT_EQ(lease.valid_for(), 0ms);
                                       EXPECT_GT(lease.fence(), 0);
                                       EXPECT_TRUE(lease.lost().stop_requested());
                                       EXPECT_THROW(lease.ensure_held(), LockLost);
                                       (void)client.stats();
                                       told.set_value();
                                     }};
    if (upgraded) lease.upgrade();
    break_last("doc");
    told.get_future().get();
    EXPECT_THROW(lease.release(), LockLost);
  }
}

TEST_F(Callbacks, ALeaseGoesAwayWhileOneRuns) {
  // The callback ends when the handle is gone: so the handle's end must not wait for it.
  SharedMutex mutex{client, "doc"};
  std::optional<UpgradeableLease> lease{mutex.acquire_upgradeable()};
  lease->upgrade();
  std::promise<void> runs;
  std::promise<void> gone;
  const std::stop_callback on_loss{lease->lost(), [&] {
                                     runs.set_value();
                                     gone.get_future().get();
                                   }};
  break_last("doc");
  runs.get_future().get();
  lease.reset();
  gone.set_value();
}

TEST_F(Callbacks, SeveralLeasesGoAwayWhileOneRuns) {
  Leases leases = acquire_all(client, {"a", "b"});
  std::promise<void> runs;
  std::promise<void> gone;
  const std::stop_callback on_loss{leases.lost(), [&] {
                                     EXPECT_FALSE(leases.held());
                                     runs.set_value();
                                     gone.get_future().get();
                                   }};
  break_last("a");
  runs.get_future().get();
  leases = {};
  gone.set_value();
}

TEST_F(Callbacks, MayReleaseWhatTheyAreToldOf) {
  std::promise<void> done;
  Leases leases = acquire_all(client, {"a", "b"});
  const std::stop_callback on_loss{leases.lost(), [&] {
                                     EXPECT_THROW(leases.release(), LockLost);
                                     done.set_value();
                                   }};
  break_last("b");
  done.get_future().get();
  EXPECT_TRUE(is_free("a"));
}

TEST_F(Callbacks, ALeaseThatIsLostAlreadySaysSoAtOnce) {
  SharedMutex mutex{client, "doc"};
  auto lease = mutex.acquire_upgradeable();
  Leases leases = acquire_all(client, {"a", "b"});
  break_last("doc");
  break_last("a");
  EXPECT_TRUE(eventually([&] { return !lease.held() && !leases.held(); }));
  EXPECT_TRUE(lease.lost().stop_requested());
  EXPECT_TRUE(leases.lost().stop_requested());
}

TEST_F(Callbacks, AnUpgradeEndsThatALossOvertakes) {
  // The half just got is broken at once, again and again, while the user's callback asks the lease.
  SharedMutex mutex{client, "doc"};
  for (int round = 0; round < 20; ++round) {
    auto lease = mutex.acquire_upgradeable();
    std::atomic<bool> ends{false};
    const std::stop_callback on_loss{lease.lost(), [&] {
                                       while (!ends) {
                                         (void)lease.held();
                                         (void)client.stats();
                                         std::this_thread::yield();
                                       }
                                     }};
    std::jthread breaks{[&] {
      for (bool broken = false; !broken && !ends;) {
        for (const auto& holder : inspect_lock(other, "doc").holders) {
          if (holder.role == "upgrade") (void)break_lock(other, "doc", holder.fence);
          broken = broken || holder.role == "upgrade";
        }
      }
    }};
    try {
      lease.upgrade();
      lease.downgrade();
    } catch (const LockLost&) {
      EXPECT_FALSE(lease.held() && lease.upgraded());
    }
    ends = true;
  }
}

TEST_F(Callbacks, HandlersAndWhatTheyCaptureMayUseTheirClient) {
  struct AsksAtItsEnd {
    Client& client;
    std::promise<void>& ended;
    ~AsksAtItsEnd() {
      Mutex{client, "m"}.async_acquire([](AcquireResult) {});
      (void)client.stats();
      ended.set_value();
    }
  };
  std::promise<void> ended;
  Mutex mutex{client, "m"};
  auto captured = std::make_shared<AsksAtItsEnd>(client, ended);
  mutex.async_acquire([&, captured = std::move(captured)](AcquireResult result) {
    EXPECT_TRUE(result.lease);
    (void)client.stats();
  });
  ended.get_future().get();
}

TEST_F(Callbacks, APredicateMayUseTheConditionAndTheMutex) {
  Mutex mutex{client, "c"};
  ConditionVariable condition{client, "c"};
  std::unique_lock lock{mutex};
  int calls = 0;
  EXPECT_TRUE(condition.wait_for(lock, 10s, [&] {
    mutex.lease().ensure_held();
    condition.notify_all();
    EXPECT_EQ(reason_of([&] { mutex.lock(); }), errc::usage);
    return ++calls > 1 || !condition.wait_for(lock, 1ms, [] { return false; });
  }));
  ASSERT_TRUE(lock.owns_lock());
  mutex.lease().ensure_held();
}

TEST_F(Callbacks, AStopRequestMayWaitForWhatItCancels) {
  auto held = Mutex{other, "m"}.acquire();
  Mutex mutex{client, "m"};
  std::stop_source stop;
  auto waits =
      std::async([&] { return reason_of([&] { (void)mutex.acquire(stop.get_token()); }); });
  const std::stop_callback on_stop{stop.get_token(), [&] {
                                     EXPECT_FALSE(mutex.try_lock());
                                     (void)client.stats();
                                     held.release();
                                   }};
  EXPECT_TRUE(come_to_wait("m", 1));
  stop.request_stop();
  EXPECT_TRUE(waits.get() == errc::cancelled || is_free("m"));
}

}  // namespace
}  // namespace dlock::test
