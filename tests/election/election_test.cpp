// Elections: who leads, what it says, and what observers see of it, against a real server.
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "election/told.hpp"
#include "support/client_fixture.hpp"
#include "support/forked.hpp"
#include "support/loss_watch.hpp"

namespace dlock::test {
namespace {

class ElectionTest : public ClientTest {
 protected:
  // The next change of the observer; "nothing" if none comes for long.
  static std::string next(LeaderObserver& observer) { return told(observer.next_for(20s)); }
  static std::string key_of_leader() { return core::leader_key("e"); }
};

TEST_F(ElectionTest, TheLeaderIsSeenWithItsValueAndTerm) {
  Client client{server.url()};
  Election election{client, "e"};
  EXPECT_FALSE(election.leader());
  const std::string value{"host\0:8080\n\xff", 12};
  const auto leadership = election.campaign(value);
  const auto leader = election.leader();
  ASSERT_TRUE(leader);
  EXPECT_EQ(leader->value, value);
  EXPECT_EQ(leader->term, leadership.term());
  EXPECT_EQ(leader->revision, 1);
  EXPECT_EQ(leadership.value(), value);
  EXPECT_TRUE(leadership.held());
  EXPECT_TRUE(holds("e", leadership.lease()));
  EXPECT_EQ(inspect_lock(client, "e").fence, leadership.term());
}

TEST_F(ElectionTest, ThereIsOneLeaderAndTheNextFollowsIt) {
  Client first{server.url()};
  Client second{server.url()};
  Election one{first, "e"};
  Election two{second, "e"};
  auto leadership = one.campaign("one");
  EXPECT_FALSE(two.try_campaign("two"));
  auto follower = std::async(std::launch::async, [&] { return two.campaign("two"); });
  ASSERT_TRUE(come_to_wait("e", 1));
  EXPECT_EQ(one.leader()->value, "one");
  const auto term = leadership.term();
  leadership.resign();
  leadership.resign();
  EXPECT_FALSE(leadership);
  EXPECT_EQ(reason_of([&] { leadership.proclaim("x"); }), errc::usage);
  const auto next = follower.get();
  EXPECT_GT(next.term(), term);
  EXPECT_EQ(one.leader()->value, "two");
}

TEST_F(ElectionTest, AnObserverIsToldOfEachChangeAtOnce) {
  Client client{server.url()};
  Election election{client, "e"};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  const auto begin = SteadyClock::now();
  for (int i = 0; i < 3; ++i) {
    auto leadership = election.campaign("a");
    EXPECT_EQ(next(observer), "elected a");
    leadership.proclaim("b");
    EXPECT_EQ(next(observer), "proclaimed b");
    leadership.proclaim("b");
    EXPECT_EQ(next(observer), "proclaimed b");
    leadership.resign();
    EXPECT_EQ(next(observer), "vacant");
  }
  EXPECT_LT(SteadyClock::now() - begin, 6s);  // twelve looks without messages would take 30 s
  EXPECT_FALSE(observer.next_for(0ms));
}

TEST_F(ElectionTest, AnObserverThatComesLateSeesTheLastState) {
  Client client{server.url()};
  Election election{client, "e"};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  auto leadership = election.campaign("0");
  for (int i = 1; i <= 50; ++i) leadership.proclaim(std::to_string(i));
  std::string last;
  while (last != "elected 50" && last != "proclaimed 50" && last != "nothing")
    last = next(observer);
  EXPECT_THAT(last, testing::EndsWith(" 50"));
}

TEST_F(ElectionTest, AHandlerGetsTheChangesInOrder) {
  Client client{server.url()};
  Election election{client, "e"};
  std::mutex mutex;
  std::vector<std::string> seen;
  const auto has = [&](const std::string& what) {
    return eventually([&] {
      const std::lock_guard lock{mutex};
      return !seen.empty() && seen.back() == what;
    });
  };
  {
    const auto watch = election.observe([&](const LeaderChange& change) {
      const std::lock_guard lock{mutex};
      seen.push_back(told(change));
    });
    EXPECT_TRUE(has("vacant"));
    auto leadership = election.campaign("a");
    EXPECT_TRUE(has("elected a"));
    leadership.resign();
    EXPECT_TRUE(has("vacant"));
  }
  const auto after = election.campaign("b");
  EXPECT_THAT(seen, testing::ElementsAre("vacant", "elected a", "vacant"));
}

TEST_F(ElectionTest, AStopTokenEndsTheWaitOfAnObserver) {
  Client client{server.url()};
  auto observer = Election{client, "e"}.observe();
  EXPECT_EQ(next(observer), "vacant");
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)observer.next(stop.get_token()); });
  });
  EXPECT_EQ(waiting.wait_for(20ms), std::future_status::timeout);
  stop.request_stop();
  EXPECT_EQ(waiting.get(), errc::cancelled);
}

TEST_F(ElectionTest, AnObserverGoesOnAfterItsConnectionWasKilled) {
  Client client{server.url()};
  Election election{client, "e"};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  const auto leadership = election.campaign("a");
  EXPECT_EQ(next(observer), "elected a");
}

TEST_F(ElectionTest, ACrashedLeaderIsVacantAfterItsTtlAndTheNextLeads) {
  Gate leads;
  Forked crashing{[&] {
    Client client{server.url()};
    const auto leadership = Election{client, "e", {.ttl = 1s}}.campaign("crashing");
    leads.open();
    for (;;) std::this_thread::sleep_for(1h);
    return 0;
  }};
  leads.wait();
  Client client{server.url()};
  Election election{client, "e"};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "elected crashing");
  const auto client_id = std::string{core::client_of(value("e"))};
  ::kill(crashing.pid(), SIGKILL);
  const auto begin = SteadyClock::now();
  EXPECT_EQ(next(observer), "vacant");
  EXPECT_LT(SteadyClock::now() - begin, 2400ms);  // by its ttl, not by the regular look
  EXPECT_NE(server.command({"PTTL", key_of_leader()}), "-1");
  const auto leadership = election.campaign("next");
  EXPECT_EQ(next(observer), "elected next");
  server.command({"DEL", core::registration_key(client_id)});  // it could not do so itself
}

TEST_F(ElectionTest, LeadershipIsLostBeforeItsValidityEndsWhenTheServerHangs) {
  Client client{server.url(), {.request_timeout = 200ms, .safety_margin = 250ms}};
  auto leadership = Election{client, "e", {.ttl = 1s}}.campaign("a");
  LossWatch watch{leadership.lease()};
  server.stop();
  EXPECT_TRUE(watch.is_told_in_time());
  server.cont();
  EXPECT_FALSE(leadership.held());
  EXPECT_EQ(reason_of([&] { leadership.ensure_held(); }), errc::lost);
  EXPECT_EQ(reason_of([&] { leadership.proclaim("b"); }), errc::lost);
}

TEST_F(ElectionTest, AValueOfAnotherHolderDoesNotCount) {
  Client client{server.url()};
  Election election{client, "e"};
  auto leadership = election.campaign("a");
  server.command({"DEL", "e"});
  EXPECT_FALSE(election.leader());
  Client second{server.url()};
  const DistributedLock other{second, "e", {.ttl = 30s}};
  EXPECT_FALSE(election.leader());
}

TEST_F(ElectionTest, AValueThatWasDeletedIsWrittenAgain) {
  Client client{server.url()};
  Election election{client, "e", {.ttl = 2s}};
  const auto leadership = election.campaign("a");
  server.command({"DEL", key_of_leader()});
  EXPECT_FALSE(election.leader());
  EXPECT_TRUE(eventually([&] { return election.leader().has_value(); }));
  EXPECT_EQ(election.leader()->value, "a");
}

TEST_F(ElectionTest, AValueHasALimit) {
  Client client{server.url()};
  Election election{client, "e"};
  auto leadership = election.campaign(std::string(64 * 1024, 'x'));
  const std::string longer(64 * 1024 + 1, 'x');
  EXPECT_EQ(reason_of([&] { leadership.proclaim(longer); }), errc::usage);
  EXPECT_EQ(reason_of([&] { (void)election.try_campaign(longer); }), errc::usage);
  EXPECT_EQ(election.leader()->value.size(), 64 * 1024U);
  EXPECT_EQ(leadership.value().size(), 64 * 1024U);
}

TEST_F(ElectionTest, AForkedChildLeadsNothingAndLeavesItsParentsAlone) {
  Client client{server.url()};
  Election election{client, "e"};
  auto leadership = election.campaign("a");
  Forked child{[&] {
    const bool refused = reason_of([&] { leadership.resign(); }) == errc::forked &&
                         reason_of([&] { (void)election.leader(); }) == errc::forked;
    const Leadership gone = std::move(leadership);
    return refused ? 0 : 1;
  }};
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(election.leader()->value, "a");
  leadership.proclaim("b");
  EXPECT_EQ(election.leader()->value, "b");
}

}  // namespace
}  // namespace dlock::test
