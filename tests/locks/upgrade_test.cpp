// UpgradeableLease: from reader to writer without letting anybody write in between.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class Upgrade : public ClientTest {};

TEST_F(Upgrade, OneAtATimeBesideReaders) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  const auto reader = mutex.reader().acquire();
  auto lease = mutex.acquire_upgradeable();
  EXPECT_TRUE(mutex.reader().try_acquire());
  EXPECT_FALSE(mutex.try_acquire_upgradeable());
  EXPECT_FALSE(mutex.try_acquire_upgradeable_for(5ms));
  EXPECT_FALSE(mutex.try_acquire());
  EXPECT_FALSE(lease.upgraded());
  EXPECT_FALSE(lease.try_upgrade()) << "there is a reader";
  EXPECT_FALSE(lease.try_upgrade_for(5ms));
  lease.ensure_held();
}

TEST_F(Upgrade, WaitsForTheReadersBeforeAllWaiters) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  auto reader = mutex.reader().acquire();
  auto lease = mutex.acquire_upgradeable();
  const auto fence = lease.fence();
  auto writer = std::async(std::launch::async, [&] { return mutex.acquire(); });
  ASSERT_TRUE(come_to_wait("doc", 1));
  auto upgrade = std::async(std::launch::async, [&] { lease.upgrade(); });
  ASSERT_TRUE(come_to_wait("doc", 2));
  EXPECT_FALSE(mutex.reader().try_acquire());
  reader.release();
  upgrade.get();
  EXPECT_TRUE(lease.upgraded());
  EXPECT_GT(lease.fence(), fence);
  EXPECT_FALSE(mutex.reader().try_acquire());
  EXPECT_EQ(waiting("doc"), 1) << "the writer still waits";
  lease.upgrade();  // nothing more to do
  lease.downgrade();
  EXPECT_FALSE(lease.upgraded());
  EXPECT_EQ(reason_of([&] { lease.downgrade(); }), errc::usage);
  const auto last = lease.fence();
  lease.release();
  EXPECT_GT(writer.get().fence(), fence);
  EXPECT_FALSE(lease);
  EXPECT_EQ(lease.name(), "doc");
  EXPECT_EQ(lease.fence(), last);
  EXPECT_EQ(reason_of([&] { lease.upgrade(); }), errc::usage);
}

TEST_F(Upgrade, TwoUpgradersDoNotWaitForEachOther) {
  std::atomic<int> inside{0};
  std::atomic<int> upgrades{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        Client client{server.url()};
        SharedMutex mutex{client, "doc"};
        for (int round = 0; round < 10; ++round) {
          auto lease = mutex.acquire_upgradeable();
          {
            const auto reader = mutex.reader().try_acquire();
          }
          lease.upgrade();
          EXPECT_EQ(++inside, 1);
          std::this_thread::yield();
          --inside;
          ++upgrades;
        }
      });
    }
  }
  EXPECT_EQ(upgrades, 40);
}

TEST_F(Upgrade, AnUpgradedLeaseIsLostWithEitherHalf) {
  Client client{server.url()};
  for (const bool first : {true, false}) {
    SharedMutex mutex{client, "doc", {.ttl = 3s}};
    auto lease = mutex.acquire_upgradeable();
    const auto early = lease.lost();
    lease.upgrade();
    const auto tokens = server.command({"ZRANGE", "doc", "(0", "+inf", "BYSCORE"});
    const auto end = tokens.find('\n');
    const auto one = tokens.substr(0, end);
    const auto other = tokens.substr(end + 1);
    server.command({"ZREM", "doc", first ? one : other});
    EXPECT_TRUE(eventually([&] { return early.stop_requested(); }));
    EXPECT_FALSE(lease.held());
    EXPECT_EQ(lease.valid_for(), 0ms);
    EXPECT_EQ(reason_of([&] { lease.ensure_held(); }), errc::lost);
    EXPECT_EQ(reason_of([&] { lease.release(); }), errc::lost);
    server.command({"DEL", "doc"});
  }
}

TEST_F(Upgrade, AWaitForTheUpgradeEndsWithTheLeaseItself) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc", {.ttl = 3s, .wait = 20s}};
  auto lease = mutex.acquire_upgradeable();
  auto reader = mutex.reader().acquire();
  auto upgrade =
      std::async(std::launch::async, [&] { return reason_of([&] { lease.upgrade(); }); });
  ASSERT_TRUE(come_to_wait("doc", 1));
  // It alone is gone; the reader that the upgrade waits for stays.
  for (const auto& holder : inspect_lock(client, "doc").holders) {
    if (holder.role == "upgradeable") server.command({"ZREM", "doc", holder.token});
  }
  EXPECT_EQ(upgrade.get(), errc::lost);
  reader.ensure_held();
  reader.release();
  server.command({"DEL", "doc"});
  EXPECT_TRUE(come_to_wait("doc", 0));
}

TEST_F(Upgrade, ACancelledUpgradeLeavesTheLeaseAsItWas) {
  Client client{server.url()};
  SharedMutex impatient{client, "doc", {.wait = 30ms}};
  SharedMutex mutex{client, "doc"};
  auto lease = std::move(*impatient.try_acquire_upgradeable_for(30s));
  const auto reader = mutex.reader().acquire();
  EXPECT_EQ(reason_of([&] { lease.upgrade(); }), errc::timed_out);
  std::stop_source source;
  auto upgrade = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)lease.try_upgrade_for(30s, source.get_token()); });
  });
  ASSERT_TRUE(come_to_wait("doc", 1));
  source.request_stop();
  EXPECT_EQ(upgrade.get(), errc::cancelled);
  lease.ensure_held();
  EXPECT_TRUE(come_to_wait("doc", 0));
  EXPECT_TRUE(mutex.reader().try_acquire());
}

TEST_F(Upgrade, BecomesAReaderUpgradedOrNot) {
  Client client{server.url()};
  SharedMutex mutex{client, "doc"};
  for (const bool upgraded : {false, true}) {
    auto lease = mutex.acquire_upgradeable();
    if (upgraded) lease.upgrade();
    const auto fence = lease.fence();
    const auto reader = mutex.downgrade(std::move(lease));
    EXPECT_FALSE(lease);  // NOLINT(bugprone-use-after-move): used up
    EXPECT_GT(reader.fence(), fence);
    EXPECT_EQ(server.command({"ZSCORE", "doc", "=used"}), "-1");
    EXPECT_TRUE(mutex.try_acquire_upgradeable());
  }
}

}  // namespace

}  // namespace dlock::test
