// Barrier: all or none, and nobody waits for a party that is gone.
#include <unistd.h>

#include <atomic>
#include <future>
#include <list>
#include <optional>
#include <thread>

#include "core/wire/gate.hpp"
#include "support/client_fixture.hpp"
#include "support/forked.hpp"
#include "support/frozen_clock.hpp"

namespace dlock::test {

namespace {

class BarrierTest : public ClientTest {
 protected:
  BarrierTest() : BarrierTest(std::make_unique<FrozenClock>()) {}
  void TearDown() override {
    EXPECT_TRUE(eventually([&] { return waiting(key) == 0; }));
    EXPECT_NE(server.command({"PTTL", key}), "-1");
    server.command({"FLUSHALL"});
  }
  /// Arrives in another thread, with a client of its own.
  std::future<errc> arrives() {
    return std::async(std::launch::async, [this] {
      Client client{server.url()};
      return reason_of([&] { (Barrier{client, "phase", 3}.arrive_and_wait()); });
    });
  }

  /// Those who wait look at once, not only after a while: they have to connect again.
  void have_them_look() const { server.command({"CLIENT", "KILL", "TYPE", "pubsub"}); }

  const std::string key = core::gate_key(core::Kind::barrier, "phase");
  std::unique_ptr<FrozenClock> clock;

 private:
  explicit BarrierTest(std::unique_ptr<FrozenClock> frozen)
      : ClientTest(frozen->options()), clock(std::move(frozen)) {}
};

TEST_F(BarrierTest, PartiesGoThroughTogetherPhaseByPhase) {
  constexpr int phases = 200;
  constexpr int parties = 3;
  std::atomic<int> arrived = 0;
  std::atomic<int> early = 0;
  {
    std::list<std::jthread> threads;
    for (int i = 0; i < parties; ++i) {
      threads.emplace_back([&] {
        Client client{server.url()};
        Barrier barrier{client, "phase", parties};
        for (int phase = 1; phase <= phases; ++phase) {
          ++arrived;
          barrier.arrive_and_wait();
          early += arrived < phase * parties ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(arrived, phases * parties);
  EXPECT_EQ(early, 0);
}

TEST_F(BarrierTest, ManyPartiesAreWoken) {
  Client client{server.url()};
  Barrier barrier{client, "phase", 151};
  std::list<std::jthread> threads;
  for (int i = 0; i < 150; ++i) {
    threads.emplace_back([&] { barrier.arrive_and_wait(); });
  }
  EXPECT_TRUE(come_to_wait(key, 150));
  barrier.arrive_and_wait();
  threads.clear();  // joins them
}

TEST_F(BarrierTest, APartyThatWasKilledIsReportedToTheOthers) {
  Forked child{[&] {
    Client client{server.url()};
    Barrier{client, "phase", 3}.arrive_and_wait();
    return 0;
  }};
  EXPECT_TRUE(come_to_wait(key, 1));
  auto other = arrives();
  EXPECT_TRUE(come_to_wait(key, 2));
  child.kill();
  clock->advance(16s);
  have_them_look();
  EXPECT_EQ(other.get(), errc::broken);
  EXPECT_EQ(arrives().get(), errc::broken) << "who comes later too";

  Client client{server.url()};
  Barrier barrier{client, "phase", 3};
  EXPECT_THAT(words_of([&] { barrier.arrive_and_wait(); }), HasSubstr("barrier:phase\" is broken"));
  barrier.reset();
  auto first = arrives();
  auto second = arrives();
  barrier.arrive_and_wait();
  EXPECT_EQ(first.get(), errc{});
  EXPECT_EQ(second.get(), errc{});
}

TEST_F(BarrierTest, AWaiterThatGivesUpBreaksIt) {
  auto other = arrives();
  EXPECT_TRUE(come_to_wait(key, 1));
  Client client{server.url()};
  Barrier barrier{client, "phase", 3};
  EXPECT_EQ(barrier.name(), "phase");
  const Lease part = barrier.join();  // connects, so that the limit is not over before it arrives
  EXPECT_FALSE(barrier.arrive_and_wait_for(50ms));
  EXPECT_EQ(other.get(), errc::broken);
  EXPECT_EQ(reason_of([&] { barrier.arrive_and_wait(); }), errc::broken) << "it does not count";
}

TEST_F(BarrierTest, AStopTokenEndsTheWait) {
  Client client{server.url()};
  Barrier barrier{client, "phase", 2};
  std::stop_source stop;
  const std::jthread stopper{[&] {
    EXPECT_TRUE(come_to_wait(key, 1));
    stop.request_stop();
  }};
  EXPECT_EQ(reason_of([&] { barrier.arrive_and_wait(stop.get_token()); }), errc::cancelled);
}

TEST_F(BarrierTest, AClientThatEndsBreaksIt) {
  auto other = arrives();
  std::optional<Client> client{std::in_place, server.url()};
  Barrier barrier{*client, "phase", 3};
  auto ends =
      std::async(std::launch::async, [&] { return reason_of([&] { barrier.arrive_and_wait(); }); });
  EXPECT_TRUE(come_to_wait(key, 2));
  client.reset();
  EXPECT_EQ(ends.get(), errc::cancelled);
  EXPECT_EQ(other.get(), errc::broken);
}

TEST_F(BarrierTest, AConnectionThatBreaksBreaksNothing) {
  auto first = arrives();
  auto second = arrives();
  EXPECT_TRUE(come_to_wait(key, 2));
  have_them_look();
  Client client{server.url()};
  Barrier{client, "phase", 3}.arrive_and_wait();
  EXPECT_EQ(first.get(), errc{});
  EXPECT_EQ(second.get(), errc{});
}

TEST_F(BarrierTest, APartThatIsLostBreaksItAndOneThatLeavesDoesNot) {
  Client client{server.url()};
  Barrier barrier{client, "phase", 3};
  Client mortal{server.url()};
  Barrier same{mortal, "phase", 3};
  Lease leaves = same.join();
  std::optional<Lease> part{barrier.join()};
  same.leave(std::move(leaves));
  auto other = arrives();
  EXPECT_TRUE(come_to_wait(key, 1));
  part.reset();
  have_them_look();
  EXPECT_EQ(other.get(), errc::broken);
  EXPECT_EQ(reason_of([&] { barrier.leave(Lease{}); }), errc::usage);
}

TEST_F(BarrierTest, InspectionShowsThePhaseAndTheArrivals) {
  Client looks{server.url(), {.label = "joins"}};
  EXPECT_FALSE(inspect_barrier(looks, "phase"));
  Barrier barrier{looks, "phase", 3};
  const Lease part = barrier.join();
  auto other = arrives();
  const auto look = [&] { return inspect_barrier(looks, "phase").value(); };
  EXPECT_TRUE(eventually(
      [&] { return look().waiters.size() == 1 && !look().waiters[0].party.host.empty(); }));
  const auto seen = look();
  EXPECT_EQ(seen.name, "phase");
  EXPECT_EQ(seen.parties, 3);
  EXPECT_FALSE(seen.broken);
  ASSERT_EQ(seen.joined.size(), 1U);
  EXPECT_EQ(seen.joined[0].label, "joins");
  EXPECT_EQ(seen.waiters[0].party.pid, ::getpid());
  EXPECT_FALSE(barrier.arrive_and_wait_for(1ms));
  EXPECT_EQ(other.get(), errc::broken);
  EXPECT_TRUE(look().broken);
  barrier.reset();
  EXPECT_FALSE(look().broken);
  EXPECT_EQ(look().phase, seen.phase + 1);
}

TEST_F(BarrierTest, AnotherNumberOfPartiesIsRefused) {
  Client client{server.url()};
  Barrier{client, "phase", 1}.arrive_and_wait();
  Barrier other{client, "phase", 2};
  EXPECT_EQ(reason_of([&] { other.arrive_and_wait(); }), errc::usage);
  EXPECT_THAT(words_of([&] { other.reset(); }), HasSubstr("with 1 party,"));
  EXPECT_EQ(reason_of([&] { (Barrier{client, "phase", 0}); }), errc::usage);
}

}  // namespace
}  // namespace dlock::test
