// Latch: opens once for all, whoever counts.
#include <atomic>
#include <future>
#include <list>
#include <optional>
#include <thread>

#include "core/wire/gate.hpp"
#include "support/client_fixture.hpp"
#include "support/forked.hpp"

namespace dlock::test {

namespace {

class LatchTest : public ClientTest {
 protected:
  void TearDown() override {
    EXPECT_TRUE(eventually([&] { return waiting(key) == 0; }));
    EXPECT_NE(server.command({"PTTL", key}), "-1");
    server.command({"DEL", key});
    ClientTest::TearDown();
  }
  /// Those who wait look at once, not only after a while: they have to connect again.
  void have_them_look() const { server.command({"CLIENT", "KILL", "TYPE", "pubsub"}); }

  const std::string key = core::gate_key(core::Kind::latch, "ready");
};

TEST_F(LatchTest, LetsAllThroughWhenItIsAtZero) {
  std::list<Client> clients;
  std::list<std::jthread> threads;
  std::atomic<int> passed = 0;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, client = &clients.emplace_back(server.url())] {
      Latch{*client, "ready", 2}.wait();
      ++passed;
    });
  }
  EXPECT_TRUE(come_to_wait(key, 3));
  Client client{server.url()};
  Latch latch{client, "ready", 2};
  EXPECT_EQ(latch.name(), "ready");
  latch.count_down();
  EXPECT_FALSE(latch.try_wait());
  EXPECT_EQ(passed, 0);
  latch.count_down();
  EXPECT_TRUE(eventually([&] { return passed == 3; }));
  EXPECT_TRUE(latch.try_wait());
  latch.wait();
  latch.count_down();
  EXPECT_TRUE(latch.wait_for(1ms)) << "for good";
}

TEST_F(LatchTest, ManyAreWoken) {
  Client client{server.url()};
  Latch latch{client, "ready", 1};
  const auto fastest = fastest_of(3, [&] {
    std::list<std::jthread> threads;
    for (int i = 0; i < 150; ++i) {
      threads.emplace_back([&] { latch.wait(); });
    }
    EXPECT_TRUE(come_to_wait(key, 150));
    latch.count_down();
    threads.clear();  // joins them
    server.command({"DEL", key});
  });
  EXPECT_LT(fastest, 2s) << "told, not found by looking again";
}

TEST_F(LatchTest, AWaitEndsByItsLimitOrByAStopToken) {
  Client client{server.url()};
  Latch latch{client, "ready", 1};
  EXPECT_FALSE(latch.wait_for(20ms));
  std::stop_source stop;
  const std::jthread stopper{[&] {
    EXPECT_TRUE(come_to_wait(key, 1));
    stop.request_stop();
  }};
  EXPECT_EQ(reason_of([&] { latch.wait(stop.get_token()); }), errc::cancelled);
}

TEST_F(LatchTest, AnotherCountIsRefused) {
  Client client{server.url()};
  Latch latch{client, "ready", 5};
  latch.count_down();
  Latch other{client, "ready", 6};
  EXPECT_EQ(reason_of([&] { other.count_down(); }), errc::usage);
  EXPECT_EQ(reason_of([&] { other.wait(); }), errc::usage);
  EXPECT_THAT(words_of([&] { other.wait(); }),
              HasSubstr("the latch at the key \"dlock1:latch:ready\" was made with a count of 5"));
}

TEST_F(LatchTest, OptionsThatMakeNoSenseAreRefused) {
  Client client{server.url()};
  EXPECT_EQ(reason_of([&] { (Latch{client, "ready", 0}); }), errc::usage);
  EXPECT_EQ(reason_of([&] { (Latch{client, "ready", 1, {.keep = 1ms}}); }), errc::usage);
  Latch latch{client, "ready", 1};
  EXPECT_EQ(reason_of([&] { latch.count_down(0); }), errc::usage);
  EXPECT_FALSE(latch.try_wait());
}

TEST_F(LatchTest, ALatchThatIsLostEndsTheWait) {
  Client client{server.url()};
  auto waits = std::async(std::launch::async,
                          [&] { return reason_of([&] { (Latch{client, "ready", 1}.wait()); }); });
  EXPECT_TRUE(come_to_wait(key, 1));
  server.command({"FLUSHALL"});
  have_them_look();
  EXPECT_EQ(waits.get(), errc::broken);
  (Latch{client, "ready", 1}.count_down());
}

TEST_F(LatchTest, PartsAreLeasesThatAreCountedDown) {
  Client client{server.url()};
  Latch latch{client, "ready", 2};
  Lease first = latch.join();
  Lease second = latch.join();
  EXPECT_LT(first.fence(), second.fence());
  EXPECT_TRUE(second.held());
  EXPECT_THAT(words_of([&] { static_cast<void>(latch.join()); }), HasSubstr("all 2 parts"));
  latch.count_down(std::move(first));
  EXPECT_FALSE(latch.try_wait());
  latch.count_down(std::move(second));
  EXPECT_TRUE(latch.try_wait());
  EXPECT_EQ(server.command({"EXISTS", core::parts_key(key)}), "0");
}

TEST_F(LatchTest, APartThatIsGivenUpEndsTheWaits) {
  Client client{server.url()};
  Latch latch{client, "ready", 2};
  Client other{server.url()};
  std::optional<Lease> part{Latch{other, "ready", 2}.join()};
  auto waits = std::async(std::launch::async, [&] { return reason_of([&] { latch.wait(); }); });
  EXPECT_TRUE(come_to_wait(key, 1));
  part.reset();
  have_them_look();
  EXPECT_EQ(waits.get(), errc::broken);
  EXPECT_THAT(words_of([&] { latch.wait(); }), HasSubstr("ended without being counted"));
  latch.count_down(2);
  latch.wait();
  server.command({"FLUSHALL"});  // a client without a connection cannot sign off
}

TEST_F(LatchTest, APartOfADeadPartyEndsWithItsTtl) {
  Client client{server.url()};
  Latch latch{client, "ready", 1, {.ttl = 1s}};
  Forked child{[&] {
    Client mortal{server.url()};
    Latch same{mortal, "ready", 1, {.ttl = 1s}};
    const Lease part = same.join();
    same.wait();
    return 0;
  }};
  EXPECT_TRUE(come_to_wait(key, 1));
  auto waits = std::async(std::launch::async, [&] { return reason_of([&] { latch.wait(); }); });
  EXPECT_TRUE(come_to_wait(key, 2));
  child.kill();
  EXPECT_TRUE(eventually([&] { return inspect_latch(client, "ready")->joined.empty(); }));
  have_them_look();
  EXPECT_EQ(waits.get(), errc::broken);
  server.command({"FLUSHALL"});  // what the dead one left
}

TEST_F(LatchTest, InspectionShowsTheCountThePartsAndTheWaiters) {
  Client looks{server.url()};
  EXPECT_FALSE(inspect_latch(looks, "ready"));
  Client joins{server.url(), {.label = "joins"}};
  Latch latch{joins, "ready", 3};
  std::optional<Lease> part{latch.join()};
  latch.count_down();
  const std::jthread waiter{[&] {
    Client waits{server.url(), {.label = "waits"}};
    EXPECT_EQ(reason_of([&] { (Latch{waits, "ready", 3}.wait()); }), errc::broken);
  }};
  const auto look = [&] { return inspect_latch(looks, "ready").value(); };
  EXPECT_TRUE(eventually(
      [&] { return look().waiters.size() == 1 && !look().waiters[0].party.host.empty(); }));
  const auto seen = look();
  EXPECT_EQ(seen.name, "ready");
  EXPECT_EQ(seen.count, 3);
  EXPECT_EQ(seen.left, 2);
  EXPECT_FALSE(seen.broken);
  ASSERT_EQ(seen.joined.size(), 1U);
  EXPECT_EQ(seen.joined[0].label, "joins");
  EXPECT_EQ(seen.waiters[0].party.label, "waits");
  EXPECT_TRUE(eventually([&] { return look().waiters[0].waiting > seen.waiters[0].waiting; }));
  part.reset();
  EXPECT_TRUE(look().broken);
  EXPECT_TRUE(look().joined.empty());
  have_them_look();
  server.command({"FLUSHALL"});  // a client without a connection cannot sign off
}

TEST_F(LatchTest, ALeaseThatIsNoPartOfItIsRefused) {
  Client client{server.url()};
  Latch latch{client, "ready", 2};
  Latch other{client, "other", 2};
  EXPECT_EQ(reason_of([&] { latch.count_down(other.join()); }), errc::usage);
  EXPECT_EQ(reason_of([&] { latch.count_down(Lease{}); }), errc::usage);
  Lease lost = latch.join();
  server.command({"DEL", core::parts_key(key)});
  EXPECT_EQ(reason_of([&] { latch.count_down(std::move(lost)); }), errc::broken);
  server.command({"DEL", core::gate_key(core::Kind::latch, "other")});
}

TEST_F(LatchTest, ConnectionsThatBreakCountOnce) {
  constexpr int count = 200;
  Client counts{server.url()};
  Latch latch{counts, "ready", count + 1};
  {
    const std::jthread breaks{[&](const std::stop_token& stop) {
      while (!stop.stop_requested()) server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
    }};
    for (int i = 0; i < count; ++i) latch.count_down();
  }
  EXPECT_EQ(server.command({"HGET", key, "left"}), "1");
  server.command({"FLUSHALL"});  // its client may not be able to withdraw its registration
}

}  // namespace
}  // namespace dlock::test
