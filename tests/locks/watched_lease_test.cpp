// A loss is told at once: long before the next renewal, which is due after a third of the ttl.
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/quorum_servers.hpp"

namespace dlock::test {
namespace {

/// The server's number of watched keys.
int watched(const RedisServer& server) {
  const auto info = server.command({"INFO", "stats"});
  const std::string_view name = "tracking_total_keys:";
  const auto at = info.find(name);
  return at == std::string::npos ? -1 : std::stoi(info.substr(at + name.size()));
}

const LockOptions for_long{.ttl = 1h};

class WatchedLease : public ClientTest {
 protected:
  /// Returns when the server watches the key of the new lease.
  template <class Source>
  Lease acquire_watched(Client& client, const Source& source) {
    const auto before = client.stats().renewals;
    auto lease = source.acquire();
    EXPECT_TRUE(come_to_watch(client, before));
    return lease;
  }
  bool come_to_watch(const Client& client, std::uint64_t renewals) {
    return eventually([&] { return client.stats().renewals > renewals && watched(server) > 0; });
  }
  /// Whether a loss is told soon after `act`.
  static bool tells(const Lease& lease, const std::function<void()>& act) {
    const auto lost = lease.lost();
    if (lost.stop_requested()) return false;
    act();
    return eventually([&] { return lost.stop_requested(); });
  }
};

TEST_F(WatchedLease, IsLostAtOnceWhenItsKeyGoesOrChanges) {
  Client client{server.url()};
  const std::pair<const char*, std::function<void()>> acts[]{
      {"deleted", [&] { server.command({"DEL", "m"}); }},
      {"flushed", [&] { server.command({"FLUSHALL"}); }},
      {"overwritten", [&] { server.command({"SET", "m", "mine"}); }},
      {"renamed", [&] { server.command({"RENAME", "m", "n"}); }},
      {"another type",
       [&] {
         server.command({"DEL", "m"});
         server.command({"LPUSH", "m", "1"});
       }},
      {"expired",  // before the client, which hears of the shorter expiry, can make it longer
       [&] {
         server.command(
             {"EVAL", "redis.call('PEXPIRE', KEYS[1], 1) for _ = 1, 3e6 do end", "1", "m"});
       }},
      {"evicted",
       [&] {
         server.command({"CONFIG", "SET", "maxmemory-policy", "allkeys-random"});
         server.command({"CONFIG", "SET", "maxmemory", "1"});
         EXPECT_ANY_THROW(server.command({"SET", "x", "x"}));  // evicts all, and is refused
         server.command({"CONFIG", "SET", "maxmemory", "0"});
       }},
  };
  for (const auto& [what, act] : acts) {
    auto lease = acquire_watched(client, Mutex{client, "m", for_long});
    EXPECT_TRUE(tells(lease, act)) << what;
    EXPECT_THROW(lease.ensure_held(), LockLost);
    EXPECT_THROW(lease.release(), LockLost);
    server.command({"FLUSHALL"});
  }
}

TEST_F(WatchedLease, AChangeThatIsNoLossTakesNothingAway) {
  Client client{server.url()};
  auto lease = acquire_watched(client, Mutex{client, "m", for_long});
  for (int i = 0; i < 3; ++i) {
    const auto renewals = client.stats().renewals;
    server.command({"PERSIST", "m"});
    EXPECT_TRUE(eventually([&] { return client.stats().renewals > renewals; }));
  }
  lease.ensure_held();
  EXPECT_TRUE(eventually([&] { return server.command({"PTTL", "m"}) != "-1"; }));
  EXPECT_NO_THROW(lease.release());
}

TEST_F(WatchedLease, IsWatchedOnANewConnectionToo) {
  Client client{server.url()};
  auto lease = acquire_watched(client, Mutex{client, "m", for_long});
  const auto renewals = client.stats().renewals;
  server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  ASSERT_TRUE(come_to_watch(client, renewals));
  EXPECT_EQ(client.stats().reconnects, 1U);
  EXPECT_TRUE(tells(lease, [&] { server.command({"DEL", "m"}); }));
}

TEST_F(WatchedLease, AWriterAReaderAndPermitsAreWatchedToo) {
  Client client{server.url()};
  const std::pair<const char*, LeaseSource> kinds[]{
      {"writer", SharedMutex{client, "s", for_long}.writer()},
      {"reader", SharedMutex{client, "s", for_long}.reader()},
      {"permits", Semaphore{client, "s", 4, for_long}.permits(2)},
  };
  for (const auto& [what, source] : kinds) {
    auto lease = acquire_watched(client, source);
    EXPECT_TRUE(tells(lease, [&] { server.command({"DEL", "s"}); })) << what;
    EXPECT_THROW(lease.release(), LockLost) << what;
    server.command({"FLUSHALL"});
  }
}

// Each renewal of one of them writes the key that all of them watch.
TEST_F(WatchedLease, ManyReadersDoNotKeepEachOtherBusy) {
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<Lease> leases;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(server.url()));
    leases.push_back(SharedMutex{*clients.back(), "s", for_long}.reader().acquire());
  }
  for (const auto& client : clients) {
    ASSERT_TRUE(eventually([&] { return client->stats().renewals > 0; }));
  }
  const auto all_renewals = [&] {
    std::uint64_t sum = 0;
    for (const auto& client : clients) sum += client->stats().renewals;
    return sum;
  };
  // They see each other's first renewals, and then come to rest.
  EXPECT_TRUE(eventually([&] {
    const auto before = all_renewals();
    const auto end = SteadyClock::now() + 1s;
    (void)eventually([&] { return SteadyClock::now() >= end; });
    return all_renewals() == before;
  }));
}

TEST_F(WatchedLease, WithoutTheRightALossIsNoticedAtTheNextRenewal) {
  server.command({"ACL", "SETUSER", "u", "on", ">pw", "~*", "&*", "+@all", "-client|tracking"});
  Client client{server.url().insert(8, "u:pw@")};
  auto lease = Mutex{client, "m", {.ttl = 3s}}.acquire();
  ASSERT_TRUE(eventually([&] { return client.stats().renewals > 1; }));
  EXPECT_EQ(watched(server), 0);
  server.command({"DEL", "m"});
  EXPECT_TRUE(eventually([&] { return lease.lost().stop_requested(); }));
  EXPECT_THROW(lease.release(), LockLost);
}

TEST_F(WatchedLease, TheFirstWaiterHearsThatAnotherProgramGivesTheLockUp) {
  Client client{server.url()};
  server.command({"SET", "m", "foreign"});
  auto next = std::async(std::launch::async, [&] { return Mutex{client, "m"}.acquire(); });
  ASSERT_TRUE(eventually([&] { return watched(server) > 0; }));
  const auto commands = client.stats().commands;
  ASSERT_EQ(next.wait_for(2s), std::future_status::timeout);
  EXPECT_LT(client.stats().commands, commands + 10) << "it does not ask every 100 ms";
  server.command({"DEL", "m"});
  EXPECT_EQ(next.wait_for(20s), std::future_status::ready);
}

class WatchedQuorum : public QuorumServers {};

TEST_F(WatchedQuorum, IsLostAtOnceWithItsMajority) {
  Client client{url()};
  auto lease = Mutex{client, "m", for_long}.acquire();
  const auto lost = lease.lost();
  for (const auto& server : servers) {
    ASSERT_TRUE(eventually([&] { return watched(server) > 0; }));
  }
  servers[0].command({"DEL", "m"});
  // The part is taken again.
  EXPECT_TRUE(eventually([&] { return servers[0].command({"EXISTS", "m"}) == "1"; }));
  EXPECT_FALSE(lost.stop_requested());
  // While a foreign value is there, it cannot be.
  servers[0].command({"SET", "m", "foreign"});
  EXPECT_FALSE(lost.stop_requested());
  servers[1].command({"SET", "m", "foreign"});
  EXPECT_TRUE(eventually([&] { return lost.stop_requested(); }));
  for (const auto& server : servers) server.command({"FLUSHALL"});
}

}  // namespace
}  // namespace dlock::test
