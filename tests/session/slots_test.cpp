// A server that has slots, as many servers behind one endpoint: from the start, or of a sudden.
#include <future>
#include <thread>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class Slots : public ClientTest {
 protected:
  Slots() : ClientTest({.ways = "none"}) {}

  void TearDown() override {
    EXPECT_TRUE(eventually([&] {
      const auto left = keys();
      std::size_t begin = 0;
      while (begin < left.size()) {
        const auto end = std::min(left.find('\n', begin), left.size());
        const auto key = left.substr(begin, end - begin);
        // The proxy forgets what it has not read when a client is gone, as its withdrawal.
        const bool stays = key.starts_with(core::fence_key) || key.starts_with("dlock1:latch:") ||
                           key.starts_with("dlock1:client:");
        if (!stays) return false;
        begin = end + 1;
      }
      return true;
    })) << keys();
  }

  /// From now on the server takes no command with keys of several slots.
  void divide() { server.set_ways("endpoint"); }

  [[nodiscard]] std::int64_t server_time() const {
    const auto time = server.command({"TIME"});
    return std::stoll(time.substr(0, time.find('\n'))) * 1'000'000;
  }
};

const std::vector<std::string> names{"a", "b", "c", "register_user"};

TEST_F(Slots, AClientThatMeetsThemFirstUsesOneCounterForEach) {
  divide();
  Client client{server.url()};
  for (const auto& name : names) {
    DistributedLock lock{client, name};
    EXPECT_TRUE(holds(name, lock));
    EXPECT_EQ(value("dlock1:fence"), "(nil)");
    EXPECT_NE(value(core::fence_key_on(core::slot_of(name))), "(nil)");
  }
}

TEST_F(Slots, AllPrimitivesWorkBehindAnEndpoint) {
  divide();
  Client client{server.url()};
  Client other{server.url()};
  Semaphore permits{client, "permits", 2};
  const auto one = permits.acquire();
  const auto two = permits.acquire();
  SharedMutex shared{client, "shared"};
  const auto reader = shared.reader().acquire();
  Latch latch{client, "latch", 1};
  latch.count_down();
  latch.wait();
  Mutex a{client, "a"};
  Mutex b{client, "b"};
  Mutex c{client, "c"};
  const auto all = acquire_all({a, b, c});
  EXPECT_EQ(all.size(), 3U);
  EXPECT_FALSE(Mutex(other, "b").try_acquire());
  EXPECT_EQ(list_locks(other).size(), 5U);
}

TEST_F(Slots, LeasesFromBeforeAreRenewedAndReleased) {
  Client client{server.url()};
  std::vector<Lease> leases;
  for (const auto& name : names) leases.push_back(Mutex{client, name, {.ttl = 600ms}}.acquire());
  leases.push_back(Semaphore{client, "permits", 2, {.ttl = 600ms}}.acquire());
  divide();
  const auto before = client.stats().renewals;
  EXPECT_TRUE(eventually([&] { return client.stats().renewals >= before + 3 * leases.size(); }));
  for (const auto& lease : leases) EXPECT_TRUE(lease.held()) << lease.name();
  Client other{server.url()};
  for (const auto& name : names) EXPECT_FALSE(Mutex(other, name).try_acquire()) << name;
  for (auto& lease : leases) {
    const auto fence = lease.fence();
    const auto name = lease.name();
    lease.release();
    if (name == "permits") continue;
    EXPECT_GT(Mutex(other, name).acquire_within(5s).fence(), fence);
  }
}

TEST_F(Slots, WaitersFromBeforeGetTheirTurnInOrder) {
  Client holder{server.url()};
  Client first{server.url()};
  Client second{server.url()};
  auto lease = Mutex{holder, "a", {.ttl = 1s}}.acquire();
  std::mutex mutex;
  std::vector<int> order;
  const auto wait = [&](Client& client, int number) {
    return std::async(std::launch::async, [&, number] {
      const auto mine = Mutex{client, "a", {.ttl = 1s}}.acquire();
      const std::lock_guard lock{mutex};
      order.push_back(number);
      return mine.fence();
    });
  };
  auto one = wait(first, 1);
  ASSERT_TRUE(come_to_wait("a", 1));
  auto two = wait(second, 2);
  ASSERT_TRUE(come_to_wait("a", 2));
  const auto fence = lease.fence();
  divide();
  for (const auto* const each : {&holder, &first, &second}) {
    EXPECT_TRUE(eventually([&] { return each->stats().reconnects > 0; })) << "it meets the slots";
  }
  EXPECT_TRUE(lease.held());
  lease.release();
  const auto fence_one = one.get();
  const auto fence_two = two.get();
  EXPECT_GT(fence_one, fence);
  EXPECT_GT(fence_two, fence_one);
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST_F(Slots, ThreadsOfOneClientThatWaitedGoOnWaiting) {
  Client client{server.url()};
  auto lease = Mutex{client, "a", {.ttl = 1s}}.acquire();
  std::vector<std::future<bool>> waits;
  for (int i = 0; i < 3; ++i) {
    waits.push_back(std::async(
        std::launch::async, [&] { return Mutex{client, "a"}.try_acquire_for(20s).has_value(); }));
  }
  std::stop_source stop;
  auto stopped = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)Mutex{client, "a"}.acquire(stop.get_token()); });
  });
  ASSERT_TRUE(eventually([&] { return client.stats().waiting == 4; }));
  divide();
  ASSERT_TRUE(eventually([&] { return client.stats().reconnects > 0; })) << "a renewal meets it";
  stop.request_stop();
  EXPECT_EQ(stopped.get(), errc::cancelled);
  lease.release();
  for (auto& wait : waits) EXPECT_TRUE(wait.get());
}

// As after the server's clock was set back.
TEST_F(Slots, FencesGoOnWhereTheCounterForAllLocksWas) {
  const auto ahead = server_time() + 3'600'000'000;
  server.command({"SET", "dlock1:fence", std::to_string(ahead)});
  Client client{server.url()};
  const auto before = Mutex{client, "a"}.acquire().fence();
  divide();
  for (const auto& name : names) {
    Client next{server.url()};
    EXPECT_GT(Mutex(next, name).acquire().fence(), before) << name;
    EXPECT_GT(Mutex(client, name).acquire().fence(), before) << name;
  }
}

TEST_F(Slots, ARealNodeBehindAnEndpointThatHidesItsCluster) {
  RedisServer node{{.config = {"cluster-enabled yes"}, .ways = "endpoint"}};
  node.command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  ASSERT_TRUE(eventually([&] {
    return node.command({"CLUSTER", "INFO"}).find("cluster_state:ok") != std::string::npos;
  }));
  Client client{node.url()};
  Client other{node.url()};
  for (const auto& name : names) {
    auto lease = Mutex{client, name}.acquire();
    auto waiting =
        std::async(std::launch::async, [&] { return Mutex{other, name}.acquire().fence(); });
    ASSERT_TRUE(
        eventually([&] { return node.command({"ZCARD", core::lock_keys(name).queue}) == "1"; }));
    const auto fence = lease.fence();
    lease.release();
    EXPECT_GT(waiting.get(), fence);
  }
}

TEST_F(Slots, ANodeThatSaysWhereItsSlotsAreWantsTheUrlOfACluster) {
  RedisServer node{{.config = {"cluster-enabled yes"}}};
  Client client{node.url()};
  EXPECT_THAT(words_of([&] { (void)Mutex{client, "a"}.acquire(); }), HasSubstr("redis+cluster://"));
}

}  // namespace

}  // namespace dlock::test
