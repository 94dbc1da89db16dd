// The cost of a lock: commands on the wire, as the server counts them, and the client's own
// counters.
#include <sys/resource.h>

#include <future>
#include <latch>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class Commands : public ClientTest {
 protected:
  /// How often the server ran `command`, by its own books.
  [[nodiscard]] int calls(const std::string& command) const {
    const auto info = server.command({"INFO", "commandstats"});
    const auto line = "cmdstat_" + command + ":calls=";
    const auto at = info.find(line);
    return at == std::string::npos ? 0 : std::stoi(info.substr(at + line.size()));
  }
  [[nodiscard]] int scripts() const { return calls("evalsha") + calls("eval"); }
  /// Connects, and makes the scripts known to the server. A lock needs none to be acquired when one
  /// was acquired with the first request of a script.
  static void warm_up(Client& client) {
    for (int lock = 0; lock < 3; ++lock) (void)DistributedLock{client, "warm-up"};
  }

  /// Scripts for each acquisition when `clients` contend.
  [[nodiscard]] double contended_cost(int clients) const {
    constexpr int rounds = 40;
    std::vector<std::unique_ptr<Client>> all;
    for (int i = 0; i < clients; ++i) {
      all.push_back(std::make_unique<Client>(server.url()));
      warm_up(*all.back());
    }
    std::optional<Lease> held{Mutex{*all[0], "m"}.acquire()};
    std::vector<std::future<void>> threads;
    const auto before = scripts() + calls("exec");
    for (int i = 1; i < clients; ++i) {
      threads.push_back(std::async(std::launch::async, [&, i] {
        for (int round = 0; round < rounds; ++round) (void)DistributedLock{*all[i], "m"};
      }));
    }
    (void)come_to_wait("m", clients - 1);
    held.reset();
    for (auto& thread : threads) thread.get();
    return (scripts() + calls("exec") - before - 1.0) / (rounds * (clients - 1));
  }
};

TEST_F(Commands, AnUncontendedAcquisitionIsOneCommandAndItsReleaseAnother) {
  Client client{server.url()};
  warm_up(client);
  Mutex mutex{client, "m"};
  const auto before = client.stats().commands;
  const auto scripts_before = scripts();
  const auto blocks_before = calls("exec");
  auto lease = mutex.acquire();
  EXPECT_EQ(client.stats().commands, before + 1);
  lease.release();
  EXPECT_EQ(client.stats().commands, before + 2);
  EXPECT_EQ(calls("exec"), blocks_before + 1);
  EXPECT_EQ(scripts(), scripts_before + 1);
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
  EXPECT_EQ(client.stats().commands, before + 4);
}

TEST_F(Commands, AFailedTryIsOneCommand) {
  Client client{server.url()};
  Client there{server.url()};
  warm_up(client);
  const DistributedLock held{there, "m"};
  Mutex mutex{client, "m"};
  const auto before = client.stats().commands;
  EXPECT_FALSE(mutex.try_lock());
  EXPECT_EQ(client.stats().commands, before + 1);
}

TEST_F(Commands, ATryWhileAThreadOfThisClientHoldsIsNoCommand) {
  Client client{server.url()};
  const DistributedLock held{client, "m"};
  Mutex mutex{client, "m"};
  const auto before = client.stats().commands;
  EXPECT_FALSE(mutex.try_lock());
  EXPECT_EQ(client.stats().commands, before);
}

// Each client tries without the scripts before it meets the others, and when they are gone.
TEST_F(Commands, UnderContentionAnAcquisitionIsTwoScriptsHoweverManyWait) {
  EXPECT_LE(contended_cost(2), 2.1);
  EXPECT_GE(contended_cost(9), 1.8);
  EXPECT_LE(contended_cost(9), 2.1);
}

TEST_F(Commands, TheFirstUseOfAServerSendsTheScriptsOnce) {
  Client client{server.url()};
  EXPECT_EQ(client.stats().commands, 0U);
  {
    const DistributedLock lock{client, "m"};
  }
  // Subscribe, register, and each script by its digest and by its text.
  EXPECT_EQ(client.stats().commands, 6U);
  EXPECT_EQ(calls("eval"), 2);
  Client second{server.url()};
  {
    const DistributedLock lock{second, "m"};
  }
  EXPECT_EQ(second.stats().commands, 4U);
  EXPECT_EQ(calls("eval"), 2);
}

/// How often the threads of this process went to sleep.
long sleeps() {
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

TEST_F(Commands, AWaiterIsQuietWhileItWaits) {
  Client client{server.url()};
  Client there{server.url()};
  warm_up(client);
  const DistributedLock held{there, "m", {.ttl = 60s}};
  const auto before = client.stats().commands;
  const auto slept = sleeps();
  EXPECT_FALSE((Mutex{client, "m"}.try_acquire_for(1s)));
  EXPECT_LT(sleeps() - slept, 30) << "nobody polls";
  // Asked, left; and where the machine was slow, a ping or a look or two.
  EXPECT_LE(client.stats().commands, before + 5);
}

TEST_F(Commands, TheCountersSayWhatHappened) {
  Client client{server.url()};
  Client there{server.url()};
  Mutex mutex{client, "m"};
  EXPECT_EQ(client.stats().acquired, 0U);
  {
    const DistributedLock held{there, "m"};
    EXPECT_FALSE(mutex.try_lock());
    EXPECT_FALSE(mutex.try_lock_for(10ms));
  }
  auto stats = client.stats();
  EXPECT_EQ(stats.timed_out, 1U) << "busy at once is not a wait";
  EXPECT_EQ(stats.acquired, 0U);
  {
    std::optional<Lease> held{Mutex{there, "m"}.acquire()};
    auto wait = std::async(std::launch::async, [&] { mutex.lock(), mutex.unlock(); });
    ASSERT_TRUE(come_to_wait("m", 1));
    held.reset();
  }
  stats = client.stats();
  EXPECT_EQ(stats.acquired, 1U);
  EXPECT_EQ(stats.granted, 1U);
  EXPECT_EQ(stats.released, 1U);
  EXPECT_EQ(stats.passed, 0U);
  EXPECT_EQ(stats.lost, 0U);
  EXPECT_EQ(stats.reconnects, 0U);
  server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  server.command({"CLIENT", "KILL", "TYPE", "normal"});
  {
    const DistributedLock lock{client, "m"};
  }
  EXPECT_EQ(client.stats().reconnects, 1U);
  EXPECT_EQ(client.stats().acquired, 2U);
  {
    const DistributedLock lock{there, "m"};
  }  // a client without a connection cannot sign off
}

}  // namespace

}  // namespace dlock::test
