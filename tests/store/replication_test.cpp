// min_replicas: the client releases a lease that too few replicas have, whichever call acquired it.
#include <array>
#include <future>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class Replicas : public ClientTest {
 protected:
  Replicas() : ClientTest({.config = {"repl-diskless-sync-delay 0"}}) {
    for (auto& replica : replicas) {
      replica = std::make_unique<RedisServer>(
          RedisServer::Options{.config = {"replicaof 127.0.0.1 " + std::to_string(server.port())}});
    }
    for (const auto& replica : replicas)
      EXPECT_TRUE(eventually([&] { return follows(*replica); }, 30s));
  }

  static bool follows(const RedisServer& replica) {
    const auto info = replica.command({"INFO", "replication"});
    return info.find("master_link_status:up") != std::string::npos;
  }
  void stop_both() {
    for (auto& replica : replicas) replica->stop();
  }
  void cont_both() {
    for (auto& replica : replicas) replica->cont();
  }
  /// The ids of connections beside a client's shared one.
  [[nodiscard]] std::vector<std::string> others() const {
    std::vector<std::string> ids;
    const auto list = server.command({"CLIENT", "LIST"});
    for (auto at = list.find(":inspect"); at != std::string::npos;
         at = list.find(":inspect", at + 1)) {
      const auto begin = list.rfind("id=", at) + 3;
      ids.push_back(list.substr(begin, list.find(' ', begin) - begin));
    }
    return ids;
  }

  static LockOptions both(milliseconds timeout = 20s) {
    return {.min_replicas = 2, .replication_timeout = timeout};
  }

  std::array<std::unique_ptr<RedisServer>, 2> replicas;
};

AcquireResult result_of(auto start) {
  auto promise = std::make_shared<std::promise<AcquireResult>>();
  start([promise](AcquireResult result) { promise->set_value(std::move(result)); });
  auto future = promise->get_future();
  EXPECT_EQ(future.wait_for(30s), std::future_status::ready);
  return future.get();
}

TEST_F(Replicas, HaveTheLockWhenItCountsAsAcquired) {
  Client client{server.url()};
  const auto lease = Mutex{client, "m", both()}.acquire();
  lease.ensure_held();
  for (const auto& replica : replicas) {
    EXPECT_THAT(replica->command({"GET", "m"}), StartsWith(lease.token()));
  }
}

TEST_F(Replicas, TooFewOfThemAreAnErrorThatCountsThemAndTheLockIsFree) {
  Client client{server.url(), {.prefix = "p:"}};
  replicas[0]->stop();
  // The other one must answer in time, also on a busy machine.
  const auto words = words_of([&] { (void)Mutex{client, "m", both(5s)}.acquire(); });
  EXPECT_THAT(words, HasSubstr("1 of 2 replicas had the lock \"m\" within 5000 ms"));
  EXPECT_THAT(words, HasSubstr("min_replicas"));
  EXPECT_TRUE(is_free("p:m"));
  Mutex one{client, "m", {.min_replicas = 1, .replication_timeout = 20s}};
  EXPECT_TRUE(one.acquire().held());
  Mutex three{client, "m", {.min_replicas = 3, .replication_timeout = 100ms}};
  replicas[0]->cont();
  EXPECT_EQ(reason_of([&] { (void)three.try_acquire(); }), errc::not_replicated);
  EXPECT_TRUE(is_free("p:m"));
}

// WAIT on a connection that wrote nothing since answers at once, that all have what it wrote.
TEST_F(Replicas, AreWaitedForAgainForEachAcquisition) {
  Client client{server.url()};
  Mutex mutex{client, "m", both()};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(mutex.acquire().held());
  stop_both();
  Mutex hasty{client, "m", both(100ms)};
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(words_of([&] { (void)hasty.acquire(); }), HasSubstr("0 of 2 replicas"));
  }
  cont_both();
  EXPECT_TRUE(mutex.acquire().held());
}

TEST_F(Replicas, AreWaitedForByWhateverTakesALock) {
  Client client{server.url()};
  const auto options = both(50ms);
  SharedMutex shared{client, "s", options};
  Semaphore semaphore{client, "p", 3, {.min_replicas = 2, .replication_timeout = 50ms}};
  Election election{client, "e", options};
  const OnceOptions once{
      .at_least = 1min, .at_most = 1h, .min_replicas = 2, .replication_timeout = 50ms};
  RecursiveMutex recursive{client, "r", options};
  stop_both();
  const auto fails = [](auto take) { return reason_of(take) == errc::not_replicated; };
  EXPECT_TRUE(fails([&] { (void)shared.acquire(); }));
  EXPECT_TRUE(fails([&] { (void)shared.reader().try_acquire(); }));
  EXPECT_TRUE(fails([&] { (void)shared.acquire_upgradeable(); }));
  EXPECT_TRUE(fails([&] { (void)semaphore.permits(2).acquire(); }));
  EXPECT_TRUE(fails([&] { (void)election.campaign("value"); }));
  EXPECT_TRUE(fails([&] { (void)run_once(client, "o", once, [] { ADD_FAILURE(); }); }));
  EXPECT_TRUE(fails([&] { recursive.lock(); }));
  EXPECT_TRUE(fails([&] { const DistributedLock lock(client, "d", options); }));
  EXPECT_TRUE(fails([&] { (void)acquire_all(client, {"a", "b"}, options); }));
  EXPECT_TRUE(fails([&] { (void)try_acquire_all(client, {"a", "b"}, options); }));
  EXPECT_EQ(client.stats().lost, 0U);
  EXPECT_EQ(server.command({"EXISTS", "s", "p", "e", "o", "r", "d", "a", "b"}), "0");
}

TEST_F(Replicas, AnUpgradeThatTheyLackLeavesTheReader) {
  Client client{server.url()};
  SharedMutex shared{client, "s", both(1s)};
  auto lease = shared.acquire_upgradeable();
  stop_both();
  EXPECT_EQ(reason_of([&] { lease.upgrade(); }), errc::not_replicated);
  EXPECT_FALSE(lease.upgraded());
  lease.ensure_held();
  EXPECT_TRUE((SharedMutex{client, "s"}.reader().try_acquire()));
}

TEST_F(Replicas, AreWaitedForAfterAGrantToo) {
  Client holder{server.url()};
  Client client{server.url()};
  for (const bool all : {true, false}) {
    auto held = Mutex{holder, "m"}.acquire();
    auto waits = std::async(std::launch::async, [&] {
      return reason_of([&] { (void)Mutex{client, "m", both(all ? 20'000ms : 100ms)}.acquire(); });
    });
    ASSERT_TRUE(come_to_wait("m", 1));
    if (!all) stop_both();
    held.release();
    EXPECT_EQ(waits.get(), all ? errc{} : errc::not_replicated);
    EXPECT_EQ(client.stats().granted, all ? 1U : 2U);
  }
}

TEST_F(Replicas, AreWaitedForByHandlersWhichOthersDoNotWaitFor) {
  Client client{server.url()};
  EXPECT_TRUE(result_of([&](AcquireHandler handler) {
                Mutex{client, "m", both()}.async_acquire(std::move(handler));
              }).lease);
  stop_both();
  std::promise<AcquireResult> slow;
  Mutex{client, "slow", both()}.async_acquire(
      [&](AcquireResult result) { slow.set_value(std::move(result)); });
  EXPECT_TRUE(result_of([&](AcquireHandler handler) {
                Mutex{client, "plain"}.async_acquire(std::move(handler));
              }).lease);
  cont_both();
  EXPECT_TRUE(slow.get_future().get().lease);
  stop_both();
  const auto result = result_of([&](AcquireHandler handler) {
    Mutex{client, "m", both(100ms)}.async_try_acquire_for(1s, std::move(handler));
  });
  EXPECT_EQ(result.error, errc::not_replicated);
  EXPECT_THAT(result.what, HasSubstr("0 of 2 replicas"));
  EXPECT_FALSE(result.lease);
  EXPECT_TRUE(is_free("m")) << "it is given back before the handler is called";
}

TEST_F(Replicas, AreWaitedForByManyThreadsTogether) {
  Client client{server.url()};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      const auto name = "m" + std::to_string(i % 8);
      Semaphore semaphore{client, "p", 4, {.min_replicas = 2, .replication_timeout = 20s}};
      for (int round = 0; round < 5; ++round) {
        EXPECT_TRUE((Mutex{client, name, both()}.acquire().held()));
        EXPECT_TRUE(semaphore.acquire().held());
      }
    });
  }
  threads.clear();
  EXPECT_EQ(others().size(), 1U) << "one connection more is enough";
}

TEST_F(Replicas, AWaitForThemEndsByAStopTokenAndKeepsNoClientFromEnding) {
  const auto begin = SteadyClock::now();
  stop_both();
  {
    Client client{server.url()};
    std::stop_source stop;
    auto waits = std::async(std::launch::async, [&] {
      return reason_of([&] { (void)Mutex{client, "m", both(60'000ms)}.acquire(stop.get_token()); });
    });
    ASSERT_TRUE(eventually([&] { return others().size() == 1; }));
    stop.request_stop();
    EXPECT_EQ(waits.get(), errc::cancelled);
    EXPECT_TRUE(eventually([&] { return is_free("m"); }));
  }
  EXPECT_LT(SteadyClock::now() - begin, 30s);
}

TEST_F(Replicas, AConnectionThatEndedMeanwhileIsMadeAnew) {
  Client client{server.url()};
  Mutex mutex{client, "m", both()};
  EXPECT_TRUE(mutex.acquire().held());
  ASSERT_EQ(others().size(), 1U);
  server.command({"CLIENT", "KILL", "ID", others()[0]});
  EXPECT_TRUE(mutex.acquire().held());
}

TEST_F(Replicas, TheTimeOfTheLeaseRunsWhileTheyAreWaitedFor) {
  Client client{server.url()};
  Mutex mutex{
      client, "m", {.ttl = 10s, .renew = false, .min_replicas = 2, .replication_timeout = 60s}};
  stop_both();
  auto waits = std::async(std::launch::async, [&] { return mutex.acquire(); });
  ASSERT_TRUE(eventually([&] { return !is_free("m"); }));
  const auto seen = SteadyClock::now();
  ASSERT_TRUE(eventually([&] { return std::stoi(server.command({"PTTL", "m"})) < 9'700; }));
  cont_both();
  const auto lease = waits.get();
  EXPECT_LE(SteadyClock::now() + lease.valid_for(), seen + 10s);
  EXPECT_GT(lease.valid_for(), 0ms);
}

TEST_F(Replicas, ALeaseThatEndedMeanwhileIsNotHandedOut) {
  Client client{server.url()};
  Mutex mutex{
      client, "m", {.ttl = 200ms, .renew = false, .min_replicas = 2, .replication_timeout = 60s}};
  stop_both();
  auto waits =
      std::async(std::launch::async, [&] { return reason_of([&] { (void)mutex.acquire(); }); });
  ASSERT_TRUE(eventually([&] { return !is_free("m"); }));
  ASSERT_TRUE(eventually([&] { return is_free("m"); }));
  cont_both();
  EXPECT_EQ(waits.get(), errc::lost);
}

TEST_F(Replicas, NumbersThatMakeNoSenseAreRefused) {
  Client client{server.url()};
  const auto refuses = [&](std::int64_t replicas, milliseconds timeout) {
    return reason_of([&] {
             Mutex(client, "m", {.min_replicas = replicas, .replication_timeout = timeout});
           }) == errc::usage;
  };
  EXPECT_TRUE(refuses(-1, 1s));
  EXPECT_TRUE(refuses(1, 0s));
  EXPECT_FALSE(refuses(1, 1s));
}

}  // namespace
}  // namespace dlock::test
