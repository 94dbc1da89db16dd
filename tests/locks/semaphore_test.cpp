// Semaphore: permits with weights, in order, changed in number, and back from the dead.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class Semaphores : public ClientTest {
 protected:
  /// How much is held: what the lock key says.
  [[nodiscard]] int used(std::string_view name) const {
    const auto score = server.command({"ZSCORE", name, "=used"});
    return score == "(nil)" ? 0 : -std::stoi(score);
  }
};

TEST_F(Semaphores, GivesAsManyPermitsAsThereAre) {
  Client client{server.url()};
  Client there{server.url()};
  Semaphore semaphore{client, "gpu", 3};
  Semaphore same{there, "gpu", 3};
  auto first = semaphore.acquire();
  auto second = same.permits(2).acquire();
  EXPECT_GT(second.fence(), first.fence());
  EXPECT_FALSE(semaphore.try_acquire());
  EXPECT_FALSE(semaphore.try_acquire_for(10ms));
  EXPECT_FALSE(semaphore.try_acquire_until(std::chrono::system_clock::now()));
  EXPECT_EQ(used("gpu"), 3);
  second.release();
  auto some = semaphore.permits(3);
  EXPECT_FALSE(some.try_acquire());
  some = semaphore.permits(2);
  EXPECT_TRUE(some.try_acquire());
  EXPECT_EQ(used("gpu"), 1);
}

TEST_F(Semaphores, AnUncontendedAcquireAndReleaseAreOneCommandEach) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 3};
  (void)semaphore.acquire();
  const auto before = client.stats().commands;
  for (int i = 0; i < 10; ++i) (void)semaphore.permits(2).acquire();
  EXPECT_EQ(client.stats().commands - before, 20U);
}

TEST_F(Semaphores, NeverMoreAreInsideThanThereArePermits) {
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] {
        Client client{server.url()};
        Semaphore semaphore{client, "gpu", 4};
        const int weight = 1 + i % 3;
        for (int round = 0; round < 25; ++round) {
          const auto lease = semaphore.permits(weight).acquire();
          const int now = inside += weight;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::yield();
          inside -= weight;
        }
      });
    }
  }
  EXPECT_LE(most, 4);
  EXPECT_GE(most, 2) << "nobody was inside together";
}

TEST_F(Semaphores, LightWaitersDoNotOvertakeAHeavyOne) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 3};
  auto held = semaphore.permits(2).acquire();
  auto many = std::async(std::launch::async, [&] { return semaphore.permits(3).acquire(); });
  ASSERT_TRUE(come_to_wait("gpu", 1));
  EXPECT_FALSE(semaphore.try_acquire()) << "one is free, but somebody waits";
  auto few = std::async(std::launch::async, [&] { return semaphore.permits(1).acquire(); });
  ASSERT_TRUE(come_to_wait("gpu", 2));
  held.release();
  auto lease = many.get();
  EXPECT_EQ(used("gpu"), 3);
  lease.release();
  EXPECT_GT(few.get().fence(), 0);
}

TEST_F(Semaphores, AWeightThatCanNeverBeMetIsAnError) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 3};
  EXPECT_THAT(words_of([&] { (void)semaphore.permits(4).acquire(); }),
              HasSubstr("4 permits of \"gpu\""));
  EXPECT_EQ(reason_of([&] { (void)semaphore.permits(0).try_acquire(); }), errc::usage);
  EXPECT_EQ(reason_of([&] { (void)semaphore.permits(-1).try_acquire_for(1s); }), errc::usage);
  EXPECT_EQ(reason_of([&] { Semaphore(client, "gpu", 0); }), errc::usage);
  EXPECT_EQ(reason_of([&] { Semaphore(client, "gpu", 1 << 30); }), errc::usage);
}

TEST_F(Semaphores, ClientsThatDisagreeAboutTheNumberAreToldBothNumbers) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 3};
  Semaphore other{client, "gpu", 8};
  auto held = semaphore.acquire();
  const auto words = words_of([&] { (void)other.acquire(); });
  EXPECT_THAT(words, HasSubstr("has 3 permits, this client says 8"));
  EXPECT_THAT(words, HasSubstr("with resize()"));
  EXPECT_EQ(reason_of([&] { (void)other.try_acquire(); }), errc::usage);
  held.release();
  EXPECT_TRUE(other.try_acquire()) << "nobody holds any more";
}

TEST_F(Semaphores, NewPermitsGoToTheWaiters) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 1};
  Semaphore other{client, "gpu", 1};
  const auto held = semaphore.acquire();
  auto waits = std::async(std::launch::async, [&] { return other.acquire(); });
  ASSERT_TRUE(come_to_wait("gpu", 1));
  semaphore.resize(2);
  EXPECT_GT(waits.get().fence(), held.fence());
  EXPECT_EQ(semaphore.size(), 2);
  EXPECT_EQ(reason_of([&] { (void)other.acquire(); }), errc::usage) << "it says 1";
  other.resize(2);
  EXPECT_TRUE(other.try_acquire());
}

TEST_F(Semaphores, FewerPermitsLeaveHoldersAloneAndNewOnesOut) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 3};
  auto first = semaphore.acquire();
  auto second = semaphore.acquire();
  semaphore.resize(1);
  first.ensure_held();
  first.release();
  EXPECT_FALSE(semaphore.try_acquire());
  second.release();
  EXPECT_TRUE(semaphore.try_acquire());
}

TEST_F(Semaphores, AWaiterWhoseWeightIsMoreThanAreLeftIsToldSoon) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 3};
  Semaphore other{client, "gpu", 3};
  const auto held = semaphore.acquire();
  const auto fastest = fastest_of(3, [&] {
    semaphore.resize(3);
    auto waits = std::async(std::launch::async,
                            [&] { return words_of([&] { (void)other.permits(3).acquire(); }); });
    EXPECT_TRUE(come_to_wait("gpu", 1));
    semaphore.resize(2);
    EXPECT_THAT(waits.get(), HasSubstr("has 2 permits, this client says 3"));
  });
  EXPECT_LT(fastest, 1500ms) << "told, not found by looking again";
}

TEST_F(Semaphores, PermitsOfAHolderThatDiedComeBackAfterItsTtl) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 2, {.ttl = 400ms, .renew = false}};
  Semaphore lives{client, "gpu", 2};
  const auto other = lives.acquire();
  const auto fastest = fastest_of(3, [&] {
    auto held = semaphore.acquire();  // never renewed, as if its process had died
    EXPECT_FALSE(lives.try_acquire());
    const auto next = lives.acquire();
    EXPECT_FALSE(held.held());
    EXPECT_EQ(reason_of([&] { held.release(); }), errc::lost);
  });
  EXPECT_LT(fastest, 2s) << "by its ttl, not by the regular look";
  EXPECT_EQ(used("gpu"), 1);
}

TEST_F(Semaphores, AWaitEndsByItsLimitOrAStopTokenAndLeavesNothing) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 2, {.wait = 30ms}};
  const auto held = semaphore.permits(2).try_acquire_for(30s);
  ASSERT_TRUE(held);
  EXPECT_EQ(reason_of([&] { (void)semaphore.acquire(); }), errc::timed_out);
  std::stop_source source;
  Semaphore patient{client, "gpu", 2};
  auto waits = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)patient.acquire(source.get_token()); });
  });
  ASSERT_TRUE(come_to_wait("gpu", 1));
  source.request_stop();
  EXPECT_EQ(waits.get(), errc::cancelled);
  EXPECT_TRUE(come_to_wait("gpu", 0));
}

TEST_F(Semaphores, LeasesAreRenewedManyInOneCommandAndLostWhenTheKeyIsDeleted) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 9, {.ttl = 600ms}};
  std::vector<Lease> leases;
  for (int i = 0; i < 9; ++i) leases.push_back(semaphore.acquire());
  ASSERT_TRUE(eventually([&] { return client.stats().renewals >= 18; }));
  for (const auto& lease : leases) lease.ensure_held();
  std::atomic<int> told{0};
  std::vector<std::unique_ptr<std::stop_callback<std::function<void()>>>> watches;
  for (const auto& lease : leases) {
    watches.push_back(
        std::make_unique<std::stop_callback<std::function<void()>>>(lease.lost(), [&] { ++told; }));
  }
  server.command({"DEL", "gpu"});
  EXPECT_TRUE(eventually([&] { return told == 9; }));
  EXPECT_FALSE(leases.front().held());
}

TEST_F(Semaphores, AMutexAndPermitsOfOneNameRefuseEachOther) {
  Client client{server.url()};
  Semaphore semaphore{client, "x", 2};
  Mutex mutex{client, "x"};
  SharedMutex shared{client, "x"};
  {
    const auto held = semaphore.acquire();
    EXPECT_EQ(reason_of([&] { (void)mutex.try_acquire(); }), errc::not_a_lock);
    EXPECT_THAT(words_of([&] { (void)mutex.acquire(); }), HasSubstr("a SharedMutex or Semaphore"));
    EXPECT_THAT(words_of([&] { (void)shared.acquire(); }), HasSubstr("semaphore with 2 permits"));
    held.ensure_held();
  }
  {
    const auto held = mutex.acquire();
    EXPECT_EQ(reason_of([&] { (void)semaphore.acquire(); }), errc::not_a_lock);
    EXPECT_EQ(reason_of([&] { semaphore.resize(3); }), errc::not_a_lock);
    held.ensure_held();
  }
  {
    const auto held = shared.acquire();
    EXPECT_THAT(words_of([&] { (void)semaphore.acquire(); }), HasSubstr("reader-writer lock"));
    EXPECT_THAT(words_of([&] { semaphore.resize(3); }), HasSubstr("reader-writer lock"));
  }
  server.command({"ZADD", "x", "1", "theirs"});
  EXPECT_EQ(reason_of([&] { (void)semaphore.acquire(); }), errc::not_a_lock);
  EXPECT_EQ(server.command({"ZCARD", "x"}), "1");
  server.command({"DEL", "x"});
}

TEST_F(Semaphores, ADowngradeTakesNoLeaseOfAnotherLock) {
  Client client{server.url()};
  Semaphore semaphore{client, "gpu", 2};
  SharedMutex shared{client, "doc"};
  auto lease = semaphore.acquire();
  EXPECT_EQ(reason_of([&] { (void)shared.downgrade(std::move(lease)); }), errc::usage);
  lease.ensure_held();
}

}  // namespace

}  // namespace dlock::test
