// Locks on a majority of real servers.
#include <atomic>
#include <future>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "support/quorum_servers.hpp"

namespace dlock::test {
namespace {

class QuorumClient : public QuorumServers {
 protected:
  /// Nothing of "doc" is on any server.
  [[nodiscard]] bool is_clear() const {
    return std::all_of(servers.begin(), servers.end(), [](const RedisServer& server) {
      return server.command({"EXISTS", "doc", "dlock1:qw:{doc}"}) == "0";
    });
  }
};

TEST_F(QuorumClient, OneServerUnderTwoNamesIsRefused) {
  const auto one = std::to_string(servers[0].port());
  const auto other = std::to_string(servers[1].port());
  Client client{"redis+quorum://127.0.0.1:" + one + ",127.0.0.1:" + other + ",localhost:" + one};
  for (int i = 0; i < 3; ++i) {
    const auto words = words_of([&] { (void)Mutex{client, "doc"}.acquire(); });
    EXPECT_THAT(words, HasSubstr("are the same server (run_id"));
    EXPECT_EQ(reason_of([&] { (void)Mutex{client, "doc"}.try_acquire(); }), errc::usage);
  }
  EXPECT_TRUE(is_clear());
}

TEST_F(QuorumClient, AServerThatDoesNotAnswerDelaysTheFirstLockLittle) {
  servers[0].stop();
  Client client{url(), {.connect_timeout = 20s}};
  EXPECT_LT(fastest_of(1, [&] { (void)Mutex{client, "doc"}.acquire(); }), 10s);
  servers[0].cont();
  EXPECT_TRUE(eventually([&] { return is_clear(); }));
}

TEST_F(QuorumClient, AWriterGetsInAlthoughReadersKeepComing) {
  std::atomic<bool> enough{false};
  std::atomic<int> reading{0};
  std::vector<std::jthread> readers;
  for (int number = 0; number < 5; ++number) {
    readers.emplace_back([&, number] {
      std::mt19937 random(static_cast<unsigned>(number));
      Client client{url()};
      SharedMutex doc{client, "doc"};
      while (!enough) {
        const auto lease = doc.reader().acquire();
        ++reading;
        std::this_thread::sleep_for(milliseconds{20 + random() % 20});
        --reading;
      }
    });
  }
  ASSERT_TRUE(eventually([&] { return reading > 2; }));
  Client client{url()};
  SharedMutex doc{client, "doc"};
  for (int turn = 0; turn < 3; ++turn) {
    const auto lease = doc.try_acquire_for(30s);
    EXPECT_TRUE(lease) << "turn " << turn;
    EXPECT_EQ(reading, 0);
  }
  enough = true;
  readers.clear();
  EXPECT_TRUE(eventually([&] { return is_clear(); }));
}

TEST_F(QuorumClient, ManyLeasesWaitOnceForServersThatHang) {
  std::optional<Client> client{std::in_place, url(), ClientOptions{.request_timeout = 500ms}};
  std::vector<Lease> leases;
  for (int i = 0; i < 20; ++i) {
    leases.push_back(Mutex{*client, "lease" + std::to_string(i)}.acquire());
  }
  servers[0].stop();
  servers[1].stop();
  const auto begin = SteadyClock::now();
  leases.clear();
  client.reset();
  EXPECT_LT(SteadyClock::now() - begin, 10 * 500ms) << "half of what they take one by one";
  servers[0].cont();
  servers[1].cont();
}

TEST_F(QuorumClient, TriesByThreadAndWithoutOneAgree) {
  Client client{url()};
  SharedMutex doc{client, "doc"};
  SharedMutex same{client, "doc"};
  doc.lock_shared();
  EXPECT_TRUE(same.reader().try_acquire());
  EXPECT_FALSE(same.try_acquire());
  EXPECT_FALSE(same.try_acquire_for(50ms));
  std::promise<bool> got;
  same.reader().async_try_acquire_for(
      10s, [&](const AcquireResult& result) { got.set_value(result.lease.has_value()); });
  EXPECT_TRUE(got.get_future().get());
  doc.unlock_shared();
  EXPECT_TRUE(doc.try_lock_for(10s));
  EXPECT_FALSE(same.reader().try_acquire());
  doc.unlock();
  EXPECT_TRUE(eventually([&] { return is_clear(); }));
}

TEST_F(QuorumClient, ItRefusesUnsupportedCallsAndLeavesTheLease) {
  Client client{url()};
  SharedMutex doc{client, "doc"};
  EXPECT_THAT(words_of([&] { (void)doc.acquire_upgradeable(); }), HasSubstr("upgradeable"));
  auto lease = doc.acquire();
  EXPECT_THAT(words_of([&] { (void)doc.downgrade(std::move(lease)); }), HasSubstr("downgraded"));
  EXPECT_TRUE(lease.held());
  lease.release();
  EXPECT_TRUE(eventually([&] { return is_clear(); }));
}

}  // namespace
}  // namespace dlock::test
