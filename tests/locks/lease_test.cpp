// Lease: a handle that may go anywhere, its fence, and giving it back.
#include <future>
#include <mutex>
#include <thread>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

using LeaseTest = ClientTest;

TEST_F(LeaseTest, MayBeUsedAndReleasedByAnyThread) {
  Client client{server.url()};
  Lease lease = std::async(std::launch::async, [&] { return Mutex{client, "m"}.acquire(); }).get();
  lease.ensure_held();
  std::async(std::launch::async, [&, moved = std::move(lease)]() mutable {
    EXPECT_TRUE(holds("m", moved));
    moved.release();
  }).get();
  EXPECT_TRUE(is_free("m"));
}

TEST_F(LeaseTest, AssignmentReleasesWhatWasHeld) {
  Client client{server.url()};
  Lease lease = Mutex{client, "one"}.acquire();
  lease = Mutex{client, "two"}.acquire();
  EXPECT_TRUE(is_free("one"));
  EXPECT_EQ(lease.name(), "two");
  auto& self = lease;
  lease = std::move(self);
  EXPECT_TRUE(holds("two", lease));
  lease = {};
  EXPECT_TRUE(is_free("two"));
}

TEST_F(LeaseTest, TheFenceGrowsOverClientsAndThreads) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(std::make_unique<Client>(server.url()));
  std::atomic<std::int64_t> last{0};
  std::vector<std::future<void>> threads;
  for (int thread = 0; thread < 6; ++thread) {
    threads.push_back(std::async(std::launch::async, [&, thread] {
      for (int i = 0; i < 50; ++i) {
        const DistributedLock lock{*clients[thread % 3], "m"};
        EXPECT_LT(last.exchange(lock.fence()), lock.fence());
      }
    }));
  }
  for (auto& thread : threads) thread.get();
}

TEST_F(LeaseTest, TheFenceGrowsAlsoWhenTheCounterIsLost) {
  Client client{server.url()};
  std::int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const DistributedLock lock{client, "m"};
    EXPECT_LT(last, lock.fence());
    last = lock.fence();
    server.command({"DEL", core::fence_key});
  }
  server.command({"FLUSHALL"});
  EXPECT_LT(last, (DistributedLock{client, "m"}).fence());
  EXPECT_LT(last, (DistributedLock{client, "another name"}).fence());
}

TEST_F(LeaseTest, TheFenceGrowsAlsoWhenTheServerTakesOverTheDataOfAnotherUnderAnOpenConnection) {
  // Demoted, resynchronised, and promoted again: no connection ends, no reply is an error.
  Client client{server.url()};
  const RedisServer other{{.config = {"repl-diskless-sync-delay 0"}}};
  std::int64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {  // the later ones without a look at the clock
      const DistributedLock lock{client, "m"};
      EXPECT_LT(last, lock.fence());
      last = lock.fence();
    }
    other.command({"SET", core::fence_key, std::to_string(last / 64 - 1000)});
    server.command({"REPLICAOF", "127.0.0.1", std::to_string(other.port())});
    ASSERT_TRUE(eventually([&] {
      return server.command({"INFO", "replication"}).find("master_link_status:up") !=
             std::string::npos;
    }));
    server.command({"REPLICAOF", "NO", "ONE"});
  }
  EXPECT_EQ(client.stats().reconnects, 0U);
  EXPECT_LT(last, (DistributedLock{client, "m"}).fence());
  server.command({"FLUSHALL"});
}

TEST_F(LeaseTest, ItsTokenAndFenceAreWhatTheKeyHolds) {
  Client client{server.url()};
  const DistributedLock lock{client, "m"};
  const auto fence = core::Fence::of(lock.fence());
  EXPECT_EQ(value("m"), lock.token() + ":" + std::to_string(fence.counter) + ":" +
                            std::to_string(fence.sequence));
}

TEST_F(LeaseTest, AReleaseIsNotALoss) {
  Client client{server.url()};
  auto lease = Mutex{client, "m"}.acquire();
  const auto lost = lease.lost();
  lease.release();
  {
    const DistributedLock again{client, "m"};
  }
  EXPECT_FALSE(lost.stop_requested());
  EXPECT_EQ(client.stats().lost, 0U);
  EXPECT_EQ(client.stats().released, 2U);
  EXPECT_EQ(reason_of([&] { lease.ensure_held(); }), errc::usage);
}

TEST_F(LeaseTest, ItsNameAndFenceStayWhenItIsReleased) {
  Client client{server.url(), {.prefix = "p:"}};
  auto lease = Mutex{client, "m"}.acquire();
  const auto fence = lease.fence();
  const auto token = lease.token();
  lease.release();
  EXPECT_FALSE(lease);
  EXPECT_FALSE(lease.held());
  EXPECT_EQ(lease.valid_for(), 0ms);
  EXPECT_FALSE(lease.lost().stop_possible());
  EXPECT_EQ(lease.name(), "m");
  EXPECT_EQ(lease.fence(), fence);
  EXPECT_EQ(lease.token(), token);
  EXPECT_THAT(words_of([&] { lease.ensure_held(); }), HasSubstr("\"m\" was released"));
  async_release(std::move(lease), {});
  EXPECT_EQ(lease.fence(), 0);  // NOLINT(bugprone-use-after-move): as the header says
  EXPECT_THAT(words_of([&] { lease.ensure_held(); }), HasSubstr("is empty"));
}

TEST_F(LeaseTest, AReleaseAfterTheLossSaysSo) {
  Client client{server.url()};
  auto lease = Mutex{client, "m"}.acquire();
  server.command({"DEL", "m"});
  EXPECT_THROW(lease.release(), LockLost);
  EXPECT_FALSE(lease);
  EXPECT_GT(lease.fence(), 0);
  lease.release();  // nothing to give back any more
}

TEST_F(LeaseTest, AReleaseNeverTouchesALaterHolder) {
  Client client{server.url()};
  Client there{server.url()};
  auto early = Mutex{client, "m"}.acquire();
  server.command({"DEL", "m"});
  const DistributedLock later{there, "m"};
  EXPECT_THAT(words_of([&] { early.release(); }), HasSubstr("\"m\""));
  EXPECT_TRUE(holds("m", later));
  later.ensure_held();
}

TEST_F(LeaseTest, AnExceptionOfTheBodyIsNotHiddenByALostLock) {
  Client client{server.url()};
  const auto body = [&] {
    const DistributedLock lock{client, "m"};
    server.command({"DEL", "m"});
    throw std::domain_error("of the body");
  };
  EXPECT_THROW(body(), std::domain_error);
}

TEST_F(LeaseTest, AReleaseThatIsNotAnsweredIsRepeatedUntilItIs) {
  Client client{server.url(), {.request_timeout = 200ms}};
  auto lease = Mutex{client, "m"}.acquire();
  server.stop();
  const auto begin = SteadyClock::now();
  EXPECT_THROW(lease.release(), Unreachable);
  EXPECT_LT(SteadyClock::now() - begin, 4s);
  server.cont();
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

TEST_F(LeaseTest, ADestructorWaitsNoLongerThanOneRequestMayTake) {
  Client client{server.url(), {.request_timeout = 200ms}};
  auto lease = std::make_unique<Lease>(Mutex{client, "m"}.acquire());
  server.stop();
  const auto begin = SteadyClock::now();
  lease.reset();
  EXPECT_LT(SteadyClock::now() - begin, 4s);
  server.cont();
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
}

}  // namespace

}  // namespace dlock::test
