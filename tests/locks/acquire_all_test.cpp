// Several locks at once, by the public API.
#include "dlock/acquire_all.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

using Names = std::vector<std::string>;

class AcquireAll : public ClientTest {};

TEST_F(AcquireAll, TakesAllInTwoRoundTripsAndGivesAllBack) {
  Client client{server.url()};
  (void)try_acquire_all(client, {"x", "y"});  // connects, sends the scripts
  const auto before = client.stats().commands;
  Leases leases = acquire_all(client, {"b", "a", "c"});
  EXPECT_EQ(client.stats().commands, before + 1);
  ASSERT_EQ(leases.size(), 3U);
  EXPECT_EQ(leases[0].name(), "b");
  EXPECT_EQ(leases[1].name(), "a");
  for (const auto& lease : leases) {
    EXPECT_TRUE(holds(lease.name(), lease));
  }
  EXPECT_TRUE(leases.held());
  EXPECT_NO_THROW(leases.ensure_held());
  EXPECT_GT(leases.valid_for(), 25s);
  leases.release();
  EXPECT_FALSE(leases);
  EXPECT_EQ(leases.size(), 3U);
  EXPECT_EQ(leases[0].name(), "b");
  EXPECT_GT(leases[0].fence(), 0);
  EXPECT_FALSE(leases.held());
  EXPECT_TRUE(is_free("a") && is_free("b") && is_free("c"));
  EXPECT_NO_THROW(leases.release());
  EXPECT_EQ(reason_of([&] { leases.ensure_held(); }), errc::usage);
}

TEST_F(AcquireAll, IfOneIsTakenATryTakesNone) {
  Client client{server.url()};
  Client other{server.url()};
  const Lease taken = Mutex{other, "b"}.acquire();
  EXPECT_FALSE(try_acquire_all(client, {"a", "b", "c"}));
  EXPECT_TRUE(is_free("a") && is_free("c"));
  const Lease ours = Mutex{client, "d"}.acquire();
  EXPECT_FALSE(try_acquire_all(client, {"a", "d"}));
  EXPECT_TRUE(is_free("a"));
}

TEST_F(AcquireAll, IfSomebodyWaitsForOneATryTakesNone) {
  Client client{server.url()};
  Client other{server.url()};
  std::optional<Lease> taken = Mutex{other, "b"}.acquire();
  std::stop_source stop;
  std::jthread waiter{[&] {
    Client third{server.url()};
    const Lease lease = Mutex{third, "b"}.acquire();
    while (!stop.stop_requested()) std::this_thread::yield();
  }};
  ASSERT_TRUE(come_to_wait("b", 1));
  server.command({"DEL", "b"});
  EXPECT_FALSE(try_acquire_all(client, {"a", "b"}));
  EXPECT_TRUE(is_free("a"));
  EXPECT_FALSE(is_free("b"));
  stop.request_stop();
}

TEST_F(AcquireAll, WaitsUntilAllAreThere) {
  Client client{server.url()};
  Client other{server.url()};
  std::vector<Lease> taken;
  for (const auto* name : {"a", "b"}) taken.push_back(Mutex{other, name}.acquire());
  std::jthread holder{[&] {
    for (const auto* name : {"a", "b"}) {
      EXPECT_TRUE(come_to_wait(name, 1));
      taken.erase(taken.begin());
    }
  }};
  Leases leases = acquire_all(client, {"b", "a"});
  EXPECT_TRUE(holds("a", leases[1]) && holds("b", leases[0]));
}

TEST_F(AcquireAll, AfterTheTimeLimitNothingIsHeld) {
  Client client{server.url()};
  Client other{server.url()};
  const Lease taken = Mutex{other, "b"}.acquire();
  const auto begin = SteadyClock::now();
  EXPECT_FALSE(try_acquire_all_for(client, {"b", "a"}, 300ms));
  EXPECT_GE(SteadyClock::now() - begin, 300ms);
  EXPECT_TRUE(is_free("a"));
  EXPECT_EQ(waiting("b"), 0);
  EXPECT_EQ(reason_of([&] { (void)acquire_all(client, {"b", "a"}, {.wait = 50ms}); }),
            errc::timed_out);
  EXPECT_TRUE(is_free("a"));
}

TEST_F(AcquireAll, ACancelledWaitLeavesNothing) {
  Client client{server.url()};
  Client other{server.url()};
  const Lease taken = Mutex{other, "b"}.acquire();
  std::stop_source stop;
  std::jthread canceller{[&] {
    EXPECT_TRUE(come_to_wait("b", 1));
    EXPECT_FALSE(is_free("a"));  // held meanwhile
    stop.request_stop();
  }};
  EXPECT_EQ(reason_of([&] { (void)acquire_all(client, {"a", "b"}, {}, stop.get_token()); }),
            errc::cancelled);
  EXPECT_TRUE(is_free("a"));
  EXPECT_TRUE(eventually([&] { return waiting("b") == 0; }));
  EXPECT_EQ(reason_of([&] { (void)acquire_all(client, {"a", "c"}, {}, stop.get_token()); }),
            errc::cancelled);
}

TEST_F(AcquireAll, ALossDuringTheWaitForTheOthersIsReported) {
  Client client{server.url()};
  Client other{server.url()};
  std::optional<Lease> taken = Mutex{other, "b"}.acquire();
  std::jthread holder{[&] {
    EXPECT_TRUE(come_to_wait("b", 1));
    std::this_thread::sleep_for(400ms);  // longer than the ttl
    taken.reset();
  }};
  EXPECT_EQ(
      reason_of([&] { (void)acquire_all(client, {"a", "b"}, {.ttl = 200ms, .renew = false}); }),
      errc::lost);
  EXPECT_TRUE(eventually([&] { return is_free("b"); }));
}

TEST_F(AcquireAll, OppositeOrdersDoNotDeadlock) {
  constexpr int rounds = 30;
  std::atomic<int> inside{0};
  Client shared{server.url()};
  std::vector<std::jthread> threads;
  for (const auto& names : {Names{"a", "b", "c"}, Names{"c", "b", "a"}, Names{"b", "a"}}) {
    for (const bool own : {false, true}) {
      threads.emplace_back([&, names, own] {
        std::optional<Client> client;
        if (own) client.emplace(server.url());
        for (int i = 0; i < rounds; ++i) {
          const Leases leases = acquire_all(own ? *client : shared, names);
          EXPECT_EQ(++inside, 1);
          --inside;
        }
      });
    }
  }
}

TEST_F(AcquireAll, TheLossOfOneIsTheLossOfAll) {
  Client client{server.url()};
  Leases leases = acquire_all(client, {"a", "b"}, {.ttl = 600ms});
  const auto lost = leases.lost();
  std::atomic<bool> told{false};
  const std::stop_callback on_loss{leases.lost(), [&] { told = true; }};
  EXPECT_FALSE(lost.stop_requested());
  server.command({"DEL", "b"});
  EXPECT_TRUE(eventually([&] { return told.load(); }));
  EXPECT_FALSE(leases.held());
  EXPECT_THAT(words_of([&] { leases.ensure_held(); }), HasSubstr("\"b\""));
  EXPECT_TRUE(holds("a", leases[0]));
  EXPECT_EQ(reason_of([&] { leases.release(); }), errc::lost);
  EXPECT_TRUE(is_free("a"));
}

TEST_F(AcquireAll, LeasesOfAnyKindCanBeUsedAsOne) {
  Client client{server.url()};
  Client other{server.url()};
  std::vector<Lease> mixed;
  mixed.push_back(Mutex{client, "a"}.acquire());
  mixed.push_back(Semaphore{other, "gpu", 2}.acquire());
  mixed.push_back(SharedMutex{client, "doc", {.ttl = 5s}}.reader().acquire());
  Leases all{std::move(mixed)};
  EXPECT_TRUE(all.held());
  EXPECT_LT(all.valid_for(), 5s);
  Leases moved = std::move(all);
  moved = Leases{};
  EXPECT_TRUE(is_clean() || eventually([&] { return is_free("a"); }));
}

TEST_F(AcquireAll, SourcesOfAnyKindAreAcquiredTogether) {
  Client client{server.url()};
  Client other{server.url()};
  const Mutex mutex{client, "a"};
  const SharedMutex document{client, "doc"};
  const Semaphore gpus{client, "gpu", 3};
  const Semaphore hurried{client, "gpu", 3, {.wait = 30ms}};
  {
    const auto all = acquire_all({mutex, document.reader(), gpus.permits(2)});
    EXPECT_TRUE(all.held());
    EXPECT_EQ(all[1].name(), "doc");
    EXPECT_TRUE(document.reader().try_acquire()) << "beside another reader";
    EXPECT_FALSE((Mutex{other, "a"}.try_acquire()));
    EXPECT_FALSE(try_acquire_all({Mutex{client, "b"}, gpus.permits(2)})) << "one is left";
    EXPECT_FALSE(try_acquire_all_for({Mutex{client, "b"}, gpus.permits(2)}, 10ms));
    EXPECT_TRUE(is_free("b"));
    EXPECT_EQ(reason_of([&] { (void)acquire_all({Mutex{client, "b"}, hurried.permits(2)}); }),
              errc::timed_out)
        << "within the shortest wait of all";
  }
  EXPECT_EQ(reason_of([&] { (void)acquire_all({gpus, gpus.permits(2)}); }), errc::usage);
}

TEST_F(AcquireAll, AReleaseThatIsNotAnsweredTakesOneRequestTimeoutForAll) {
  Client client{server.url(), {.request_timeout = 300ms}};
  const auto fastest = fastest_of(3, [&] {
    Leases leases = acquire_all(client, {"a", "b", "c", "d"});
    server.stop();
    EXPECT_EQ(reason_of([&] { leases.release(); }), errc::unreachable);
    server.cont();
    EXPECT_TRUE(eventually([&] { return is_free("a") && is_free("d"); }));
  });
  EXPECT_LT(fastest, 900ms) << "not once for each";
  // It is connected again, and so can take back what it says of itself.
  const DistributedLock again{client, "again"};
}

TEST_F(AcquireAll, WrongNamesAreRefused) {
  Client client{server.url()};
  for (const auto& names : {Names{}, Names{"a", "b", "a"}, Names{"a", "dlock1:x"}}) {
    EXPECT_EQ(reason_of([&] { (void)try_acquire_all(client, names); }), errc::usage);
  }
}

}  // namespace
}  // namespace dlock::test
