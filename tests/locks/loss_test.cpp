// Losing a lock: the holder is told before its lease can have ended.
#include <atomic>
#include <functional>
#include <future>
#include <optional>
#include <stop_token>
#include <thread>

#include "support/client_fixture.hpp"
#include "support/loss_watch.hpp"

namespace dlock::test {

namespace {

class LossTest : public ClientTest {
 protected:
  static constexpr auto ttl = 900ms;
  const ClientOptions careful{.safety_margin = ttl / 4};

  static void expect_over(const Lease& lease) {
    EXPECT_FALSE(lease.held());
    EXPECT_EQ(lease.valid_for(), 0ms);
    EXPECT_TRUE(lease.lost().stop_requested());
    EXPECT_THROW(lease.ensure_held(), LockLost);
  }
};

TEST_F(LossTest, ADeletedKeyIsNoticedAtTheNextRenewal) {
  Client client{server.url(), careful};
  auto lease = Mutex{client, "m", {.ttl = ttl}}.acquire();
  LossWatch watch{lease};
  server.command({"DEL", "m"});
  EXPECT_TRUE(watch.is_told_in_time());
  expect_over(lease);
  EXPECT_THAT(words_of([&] { lease.ensure_held(); }), HasSubstr("deleted"));
  EXPECT_EQ(client.stats().lost, 1U);
  EXPECT_THROW(lease.release(), LockLost);
}

TEST_F(LossTest, ItCanBeWaitedForTogetherWithAnotherToken) {
  Client client{server.url(), careful};
  auto lease = Mutex{client, "m", {.ttl = ttl}}.acquire();
  std::stop_source stop;
  const StopOnEither by_stop{stop.get_token(), lease.lost()};
  std::jthread watcher{[&](const std::stop_token& own) { EXPECT_FALSE(lease.wait_lost(own)); }};
  watcher.request_stop();
  watcher.join();
  EXPECT_FALSE(by_stop.get_token().stop_requested());
  stop.request_stop();
  EXPECT_TRUE(by_stop.get_token().stop_requested());
  const StopOnEither by_loss{std::stop_token{}, lease.lost()};
  server.command({"DEL", "m"});
  EXPECT_TRUE(lease.wait_lost());
  EXPECT_TRUE(eventually([&] { return by_loss.get_token().stop_requested(); }));
  EXPECT_THROW(lease.release(), LockLost);
  EXPECT_EQ(reason_of([&] { lease.wait_lost(); }), errc::usage);
}

TEST_F(LossTest, AnOverwrittenKeyIsNoticedAndLeftAlone) {
  Client client{server.url(), careful};
  const DistributedLock lock{client, "m", {.ttl = ttl}};
  LossWatch watch{lock};
  server.command({"SET", "m", "somebody else"});
  EXPECT_TRUE(watch.is_told_in_time());
  expect_over(lock);
  EXPECT_EQ(value("m"), "somebody else");
  server.command({"DEL", "m"});
}

TEST_F(LossTest, AServerThatIsGoneEndsTheLeaseBeforeItsTime) {
  Client client{server.url(), {.request_timeout = 200ms, .safety_margin = ttl / 4}};
  const DistributedLock lock{client, "m", {.ttl = ttl}};
  LossWatch watch{lock};
  server.kill9();
  EXPECT_TRUE(watch.is_told_in_time());
  expect_over(lock);
  EXPECT_THAT(words_of([&] { lock.ensure_held(); }), HasSubstr("did not confirm a renewal"));
}

TEST_F(LossTest, AServerThatStandsStillEndsTheLeaseBeforeItsTime) {
  // With the short timeout a connection is being made when the time comes.
  for (const auto timeout : {2s + 0ms, 100ms}) {
    Client client{server.url(), {.request_timeout = timeout, .safety_margin = ttl / 4}};
    std::optional<DistributedLock> lock{std::in_place, client, "m", LockOptions{.ttl = ttl}};
    LossWatch watch{*lock};
    server.stop();
    EXPECT_TRUE(watch.is_told_in_time());
    expect_over(*lock);
    server.cont();
    lock.reset();
  }
}

TEST_F(LossTest, AFixedLeaseIsNotRenewedAndToldBeforeItEnds) {
  Client client{server.url(), careful};
  Client there{server.url()};
  const DistributedLock lock{client, "m", {.ttl = ttl, .renew = false}};
  LossWatch watch{lock};
  EXPECT_TRUE(watch.is_told_in_time());
  expect_over(lock);
  EXPECT_EQ(client.stats().renewals, 0U);
  const auto next = Mutex{there, "m"}.try_acquire_for(20s);
  ASSERT_TRUE(next);
  EXPECT_GT(next->fence(), lock.fence());
}

TEST_F(LossTest, TheLongestHoldEndsALeaseThatIsRenewedWhileTheServerStillKeepsIt) {
  Client client{server.url(), careful};
  const auto begin = SteadyClock::now();
  const DistributedLock lock{client, "m", {.ttl = ttl, .max_hold = 2 * ttl}};
  EXPECT_LT(lock.valid_for(), ttl);
  std::atomic<bool> was_kept{false};
  LossWatch watch{lock, [&] { was_kept = holds("m", lock); }};
  ASSERT_TRUE(eventually([&] { return watch.is_told(); }));
  EXPECT_TRUE(was_kept);
  EXPECT_GE(SteadyClock::now() - begin, 2 * ttl);
  EXPECT_GE(client.stats().renewals, 2U);
  expect_over(lock);
  EXPECT_THAT(words_of([&] { lock.ensure_held(); }), HasSubstr("max_hold"));
}

TEST_F(LossTest, ByDefaultTheHolderIsToldWhileTheServerStillKeepsTheLockForIt) {
  Client client{server.url()};
  const DistributedLock lock{client, "m", {.ttl = 4s, .renew = false}};
  std::atomic<bool> was_kept{false};
  const LossWatch watch{lock, [&] { was_kept = holds("m", lock); }};
  ASSERT_TRUE(eventually([&] { return watch.is_told(); }, 20s));
  EXPECT_TRUE(was_kept);
}

TEST_F(LossTest, ALateCallerLearnsOfTheLoss) {
  Client client{server.url()};
  const DistributedLock lock{client, "m", {.ttl = 300ms}};
  server.command({"DEL", "m"});
  ASSERT_TRUE(eventually([&] { return !lock.held(); }));
  EXPECT_TRUE(lock.lost().stop_requested());
  bool called = false;
  const std::stop_callback at_once{lock.lost(), [&] { called = true; }};
  EXPECT_TRUE(called);
}

TEST_F(LossTest, ALossOfOneLeavesTheOthersInPeace) {
  Client client{server.url()};
  const DistributedLock one{client, "one", {.ttl = ttl}};
  const DistributedLock two{client, "two", {.ttl = ttl}};
  const DistributedLock three{client, "three", {.ttl = ttl}};
  LossWatch watch{two};
  server.command({"DEL", "two"});
  EXPECT_TRUE(watch.is_told_in_time());
  const auto renewals = client.stats().renewals;
  EXPECT_TRUE(eventually([&] { return client.stats().renewals >= renewals + 4; }));
  one.ensure_held();
  three.ensure_held();
  EXPECT_FALSE(one.lost().stop_requested());
}

TEST_F(LossTest, ALostLockGoesToTheNextWaiterOfTheSameClient) {
  Client client{server.url(), careful};
  auto early = Mutex{client, "m", {.ttl = ttl}}.acquire();
  auto next = std::async(std::launch::async, [&] { return Mutex{client, "m"}.acquire().fence(); });
  LossWatch watch{early};
  server.command({"DEL", "m"});
  EXPECT_TRUE(watch.is_told_in_time());
  EXPECT_GT(next.get(), early.fence());
  EXPECT_THROW(early.release(), LockLost);
}

TEST_F(LossTest, ACallbackMayUseTheLibrary) {
  Client client{server.url()};
  std::optional<Lease> lease{Mutex{client, "m", {.ttl = 300ms}}.acquire()};
  std::promise<std::string> said;
  const std::stop_callback on_lost{lease->lost(), [&] {
                                     const DistributedLock note{client, "note"};
                                     EXPECT_TRUE(holds("note", note));
                                     said.set_value(words_of([&] { lease->release(); }));
                                   }};
  server.command({"DEL", "m"});
  auto future = said.get_future();
  ASSERT_EQ(future.wait_for(20s), std::future_status::ready);
  EXPECT_THAT(future.get(), HasSubstr("its key is gone"));
}

TEST_F(LossTest, ACallbackMayDestroyTheLastHandles) {
  for (int round = 0; round < 5; ++round) {
    auto client = std::make_unique<Client>(server.url());
    auto lease = std::make_unique<Lease>(Mutex{*client, "m", {.ttl = 100ms}}.acquire());
    std::promise<void> done;
    const auto lost = lease->lost();
    const std::stop_callback on_lost{lost, [&] {
                                       client.reset();
                                       lease.reset();
                                       done.set_value();
                                     }};
    server.command({"DEL", "m"});
    ASSERT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
  }
}

TEST_F(LossTest, ASlowCallbackKeepsNoOtherLeaseFromRenewal) {
  Client client{server.url()};
  const DistributedLock kept{client, "kept", {.ttl = 300ms}};
  const DistributedLock gone{client, "gone", {.ttl = 300ms}};
  std::atomic<bool> inside{false};
  std::atomic<bool> may_end{false};
  const std::stop_callback on_lost{gone.lost(), [&] {
                                     inside = true;
                                     (void)eventually([&] { return may_end.load(); }, 20s);
                                   }};
  server.command({"DEL", "gone"});
  ASSERT_TRUE(eventually([&] { return inside.load(); }));
  const auto renewals = client.stats().renewals;
  EXPECT_TRUE(eventually([&] { return client.stats().renewals >= renewals + 6; }));
  kept.ensure_held();
  may_end = true;
}

}  // namespace

}  // namespace dlock::test
