// Elections on a majority of three real servers, whatever becomes of the third.
#include <string>

#include "election/told.hpp"
#include "support/quorum_servers.hpp"

namespace dlock::test {
namespace {

class QuorumElection : public QuorumServers {
 protected:
  void TearDown() override {
    for (auto& server : servers) {
      if (server.pid() > 0) {
        EXPECT_TRUE(eventually([&] { return is_clean(server); }, 20s))
            << server.command({"KEYS", "*"});
      }
    }
  }

  static bool is_clean(const RedisServer& server) {
    const auto left = server.command({"KEYS", "*"});
    return left.empty() || left == core::fence_key;
  }
  /// On how many servers the leader has written something down.
  [[nodiscard]] int writings() const {
    int count = 0;
    for (const auto& server : servers) {
      count += server.pid() > 0 && server.command({"EXISTS", core::leader_key("e")}) == "1" ? 1 : 0;
    }
    return count;
  }
  static std::string next(LeaderObserver& observer) { return told(observer.next_for(20s)); }
};

TEST_F(QuorumElection, TheLeaderIsSeenWithItsValueAndTerm) {
  Client client{url()};
  Election election{client, "e"};
  EXPECT_FALSE(election.leader());
  const std::string value{"host\0:8080 \n\xff", 13};
  auto leadership = election.campaign(value);
  auto leader = election.leader();
  ASSERT_TRUE(leader);
  EXPECT_EQ(leader->value, value);
  EXPECT_EQ(leader->term, leadership.term());
  EXPECT_EQ(leader->revision, 1);
  leadership.proclaim("");
  leader = election.leader();
  ASSERT_TRUE(leader);
  EXPECT_EQ(leader->value, "");
  EXPECT_EQ(leader->revision, 2);
  const auto term = leadership.term();
  leadership.resign();
  EXPECT_FALSE(election.leader());
  EXPECT_GT(election.campaign("b").term(), term);
}

TEST_F(QuorumElection, AnObserverIsToldOfEachChange) {
  Client client{url()};
  Election election{client, "e"};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  const auto begin = SteadyClock::now();
  for (int i = 0; i < 3; ++i) {
    auto leadership = election.campaign("a");
    EXPECT_EQ(next(observer), "elected a");
    leadership.proclaim("b");
    EXPECT_EQ(next(observer), "proclaimed b");
    leadership.resign();
    EXPECT_EQ(next(observer), "vacant");
  }
  EXPECT_LT(SteadyClock::now() - begin, 6s);  // nine looks without messages would take 22 s
}

TEST_F(QuorumElection, AServerThatHangsIsNotWaitedFor) {
  Client client{url(), {.request_timeout = 10s}};
  Election election{client, "e", {.ttl = 1s}};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  servers[1].stop();
  const auto begin = SteadyClock::now();
  {
    auto leadership = election.campaign("a");
    EXPECT_EQ(next(observer), "elected a");
    leadership.proclaim("b");
    EXPECT_EQ(next(observer), "proclaimed b");
    EXPECT_EQ(election.leader()->value, "b");
    EXPECT_LT(SteadyClock::now() - begin, 5s);  // half of a timeout
    servers[1].cont();
  }
  EXPECT_EQ(next(observer), "vacant");
}

TEST_F(QuorumElection, AServerThatHangsIsWaitedForOnceWhereTheOthersDiffer) {
  Client client{url(), {.connect_timeout = 2s, .request_timeout = 2s}};
  Election election{client, "e", {.ttl = 3s}};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  {
    const auto leadership = election.campaign("a");
    EXPECT_EQ(next(observer), "elected a");
    servers[0].command({"SET", "e", "somebody"});
    servers[2].stop();
    servers[1].command({"SPUBLISH", core::leader_key("e"), "changed"});
    EXPECT_EQ(next(observer), "vacant");
    const auto look = fastest_of(3, [&] {
      servers[1].command({"SPUBLISH", core::leader_key("e"), "changed"});
      EXPECT_EQ(told(observer.next_for(100ms)), "nothing");
    });
    EXPECT_LT(look, 1s);
    servers[2].cont();
  }
  servers[0].command({"DEL", "e"});
  for (auto& server : servers) server.command({"DEL", core::leader_key("e")});  // would expire
}

TEST_F(QuorumElection, AMinorityMayDieAndComeBackWithoutWhatItHad) {
  Client client{url()};
  Election election{client, "e", {.ttl = 1s}};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  const auto leadership = election.campaign("a");
  EXPECT_EQ(next(observer), "elected a");
  EXPECT_TRUE(eventually([&] { return writings() == 3; }));
  for (auto& server : servers) {
    server.kill9();
    const auto leader = election.leader();
    EXPECT_TRUE(leader && leader->value == "a");
    server.restart();
    EXPECT_TRUE(eventually([&] { return writings() == 3; }, 30s));
  }
  EXPECT_EQ(told(observer.next_for(0ms)), "nothing");
  EXPECT_TRUE(leadership.held());
}

TEST_F(QuorumElection, AMinorityDoesNotCount) {
  Client client{url()};
  Election election{client, "e", {.ttl = 1s}};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  auto leadership = election.campaign("a");
  EXPECT_EQ(next(observer), "elected a");
  ASSERT_TRUE(eventually([&] { return writings() == 3; }));
  servers[0].command({"SET", "e", "somebody"});
  servers[1].command({"SET", "e", "somebody"});
  EXPECT_FALSE(election.leader());
  EXPECT_EQ(next(observer), "vacant");
  EXPECT_TRUE(eventually([&] { return !leadership.held(); }));
  EXPECT_EQ(reason_of([&] { leadership.proclaim("b"); }), errc::lost);
  servers[0].command({"DEL", "e"});
  servers[1].command({"DEL", "e"});
}

TEST_F(QuorumElection, WithoutAMajorityNobodyCanSay) {
  Client client{url(), {.request_timeout = 200ms, .patience = 1s}};
  const Election election{client, "e"};
  servers[0].kill9();
  EXPECT_FALSE(election.leader());
  servers[1].kill9();
  EXPECT_EQ(reason_of([&] { (void)election.leader(); }), errc::unreachable);
  EXPECT_THAT(words_of([&] { (void)election.leader(); }), HasSubstr("no majority"));
  servers[0].restart();
  EXPECT_FALSE(election.leader());
}

TEST_F(QuorumElection, AnObserverGoesOnAfterItsConnectionsWereKilled) {
  Client client{url()};
  Election election{client, "e"};
  auto observer = election.observe();
  EXPECT_EQ(next(observer), "vacant");
  for (auto& server : servers) server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  const auto leadership = election.campaign("a");
  EXPECT_EQ(next(observer), "elected a");
  for (auto& server : servers) server.command({"SCRIPT", "FLUSH"});
  EXPECT_EQ(election.leader()->value, "a");
}

TEST_F(QuorumElection, AServerThatRefusesIsToldWhenTooManyDo) {
  Client client{url()};
  const Election election{client, "e"};
  for (auto& server : servers) server.command({"SET", core::leader_key("e"), "x"});
  servers[0].command({"DEL", "e"});
  servers[0].command({"LPUSH", "e", "a list"});
  EXPECT_FALSE(election.leader());
  servers[1].command({"LPUSH", "e", "a list"});
  EXPECT_EQ(reason_of([&] { (void)election.leader(); }), errc::not_a_lock);
  for (auto& server : servers) server.command({"DEL", "e", core::leader_key("e")});
}

}  // namespace
}  // namespace dlock::test
