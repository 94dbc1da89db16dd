// Router: which server a call goes to, and what of the servers' answers users see.
#include "core/router/router.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "core/engine/engine_script.hpp"
#include "core/wire/keys.hpp"
#include "support/spelled_out.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

constexpr Instant start = Instant{} + 1h;

/// A router, and its actions in order of servers and users.
struct Routed {
  explicit Routed(Router::Mode mode, std::size_t servers = 1)
      : router({mode, servers, EngineScript::settings()}) {}

  void note() {
    while (const auto server = router.take_actions(batch)) {
      for (auto& action : batch) {
        if (auto* send = std::get_if<Send>(&action)) {
          commands[*server].push_back(test::spelled_out(std::move(send->command)));
        } else if (std::holds_alternative<Connect>(action)) {
          wants_connection.insert(*server);
        } else if (auto* obtained = std::get_if<Obtained>(&action)) {
          leases[obtained->waiter] = obtained->lease;
        } else if (std::holds_alternative<Unanswered>(action)) {
          unanswered.insert(*server);
        } else {
          others.push_back(std::move(action));
        }
      }
    }
  }
  void connect(Instant now, ServerId server) {
    router.on_connected(now, server, true);
    note();
    router.on_reply(now, server, {.text = "OK"});
    router.on_reply(now, server, {.text = "OK"});
    commands[server].clear();
  }
  void acquire(Instant now, WaiterId waiter, AcquireRequest request) {
    asked[waiter] = router.acquire(now, waiter, std::move(request));
    note();
  }
  /// To the oldest command, which runs a script.
  void reply(Instant now, ServerId server, std::string_view text) {
    const auto command = std::move(commands[server].front());
    commands[server].pop_front();
    const auto& first = command.args.at(0);
    const std::string echo{command.verb == Verb::renew ? first : echo_of(first)};
    const auto whole = echo + " " + std::string{text};
    router.on_reply(now, server, {.text = whole});
  }

  Router router;
  std::vector<Action> batch;
  std::map<ServerId, std::deque<Command>> commands;
  std::set<ServerId> wants_connection;
  std::set<ServerId> unanswered;
  std::map<WaiterId, ServerId> asked;
  std::map<WaiterId, std::shared_ptr<LeaseRecord>> leases;
  std::vector<Action> others;
};

TEST(Router, OneServerServesAllKeys) {
  Routed it{Router::Mode::single};
  EXPECT_EQ(it.router.servers(), 1U);
  EXPECT_TRUE(it.router.idle());
  it.acquire(start, 1, {.key = "a"});
  EXPECT_EQ(it.wants_connection, (std::set<ServerId>{0}));
  EXPECT_FALSE(it.router.idle());
  it.connect(start, 0);
  it.acquire(start, 2, {.key = "b"});
  EXPECT_EQ(it.asked, (std::map<WaiterId, ServerId>{{1, 0}, {2, 0}}));
  EXPECT_EQ(it.commands[0].size(), 1U);
}

TEST(Router, AClusterHasAnEngineForEachSlotThatIsUsed) {
  Routed it{Router::Mode::cluster};
  EXPECT_EQ(it.router.servers(), 0U);
  EXPECT_FALSE(it.router.find("{a}1"));
  it.acquire(start, 1, {.key = "{a}1"});
  it.acquire(start, 2, {.key = "{b}1"});
  it.acquire(start, 3, {.key = "{a}2"});
  EXPECT_EQ(it.asked, (std::map<WaiterId, ServerId>{{1, 0}, {2, 1}, {3, 0}}));
  EXPECT_EQ(it.router.slot(1), slot_of("b"));
  EXPECT_EQ(it.router.find("{b}2"), ServerId{1});
  EXPECT_EQ(it.router.find(channel_of(it.router.engine(1).client())), ServerId{1});
  it.connect(start, 0);
  it.connect(start, 1);
  it.router.cancel(start, it.asked[2], 2);
  it.note();
  ASSERT_EQ(it.others.size(), 1U);
  EXPECT_EQ(std::get<Refusal>(it.others[0]).waiter, 2U);
}

// All keys of each command for a server that has slots; those of a registration are of another one.
void expect_one_slot(const std::deque<Command>& commands) {
  for (const auto& command : commands) {
    std::set<std::uint16_t> slots;
    for (const auto& key : command.keys) slots.insert(slot_of(key));
    for (const auto& renewal : command.renewals) slots.insert(slot_of(renewal.lock));
    EXPECT_LE(slots.size(), 1U) << static_cast<int>(command.verb);
  }
}

TEST(Router, WaitsMoveToTheEnginesOfTheirSlotsOnceTheServerHasSome) {
  Routed it{Router::Mode::single};
  it.acquire(start, 1, {.key = "a"});
  it.acquire(start, 2, {.key = "b"});
  it.acquire(start, 3, {.key = "a"});
  it.router.use_slots(start, true);
  it.note();
  EXPECT_TRUE(it.router.has_slots());
  EXPECT_EQ(it.router.servers(), 3U);
  EXPECT_TRUE(it.others.empty()) << "nobody is told";
  for (ServerId server = 0; server < 3; ++server) {
    it.router.on_connected(start, server, true);
    it.note();
    expect_one_slot(it.commands[server]);
  }
  EXPECT_EQ(it.router.slot(1), slot_of("a"));
  EXPECT_EQ(it.commands[1].back().keys[3], fence_key_on(slot_of("a")));
  it.router.cancel(start, it.asked[3], 3);
  it.note();
  ASSERT_EQ(it.others.size(), 1U);
  EXPECT_EQ(std::get<Refusal>(it.others[0]).waiter, 3U);
}

TEST(Router, LeasesStayWhereTheyAreWhenTheServerGetsSlots) {
  Routed it{Router::Mode::single};
  it.acquire(start, 1, {.key = "a", .ttl = 3s, .recorded = true});
  it.acquire(start, 2, {.key = "b", .ttl = 3s, .recorded = true});
  it.router.on_connected(start, 0, true);
  it.note();
  for (int i = 0; i < 2; ++i) it.router.on_reply(start, 0, {.text = "OK"});
  it.note();
  std::erase_if(it.commands[0],
                [](const Command& command) { return command.verb != Verb::acquire; });
  for (WaiterId waiter = 1; waiter <= 2; ++waiter) {
    it.reply(start, 0, "acquired " + std::to_string(1000 + waiter));
    it.note();
    ASSERT_TRUE(it.leases[waiter]);
  }
  it.router.on_disconnected(start, 0, "it has slots now");
  it.router.use_slots(start, true);
  it.note();
  it.commands.clear();
  it.router.on_connected(start, 0, true);
  it.router.on_timer(start + 1s);
  it.note();
  std::size_t renewals = 0;
  expect_one_slot(it.commands[0]);
  for (const auto& command : it.commands[0]) renewals += command.renewals.size();
  EXPECT_EQ(renewals, 2U);
  it.commands.clear();
  it.router.release(start + 1s, *it.leases[1]);
  it.note();
  ASSERT_EQ(it.commands[0].size(), 1U) << "the engine that has the lease";
  expect_one_slot(it.commands[0]);
}

TEST(Router, AServerWithoutSlotsAnyMoreHasOneCounterAgain) {
  Routed it{Router::Mode::single};
  it.router.use_slots(start, true);
  it.router.use_slots(start, false);
  it.acquire(start, 1, {.key = "a"});
  it.router.on_connected(start, it.asked[1], true);
  it.note();
  EXPECT_EQ(it.commands[it.asked[1]].back().keys[3], fence_key);
}

TEST(Router, TheKeysOfACommandAreOfTheSlotOfItsServer) {
  Routed it{Router::Mode::cluster};
  for (const WaiterId waiter : {1, 2}) {
    it.acquire(start, waiter, {.key = "{" + std::to_string(waiter) + "}"});
    it.router.on_connected(start, it.asked[waiter], true);
    it.note();
  }
  for (const auto& [server, commands] : it.commands) {
    for (const auto& command : commands) {
      for (const auto& key : command.keys) EXPECT_EQ(slot_of(key), it.router.slot(server)) << key;
    }
  }
}

TEST(Router, AllSlotsAreClosedAndTheirRegistrationsWithdrawn) {
  Routed it{Router::Mode::cluster};
  for (const WaiterId waiter : {1, 2}) {
    it.acquire(start, waiter, {.key = "{" + std::to_string(waiter) + "}"});
    it.connect(start, it.asked[waiter]);
  }
  it.router.close(start);
  it.note();
  std::set<WaiterId> refused;
  for (const auto& action : it.others) refused.insert(std::get<Refusal>(action).waiter);
  EXPECT_EQ(refused, (std::set<WaiterId>{1, 2}));
  it.commands.clear();
  it.router.withdraw(start);
  it.note();
  ASSERT_EQ(it.commands.size(), 2U);
  for (const auto& [server, commands] : it.commands) {
    EXPECT_EQ(commands.back().verb, Verb::withdraw);
  }
}

TEST(Router, LeasesOfDifferentSlotsHaveDifferentIds) {
  Routed it{Router::Mode::cluster};
  it.acquire(start, 1, {.key = "{a}"});
  it.acquire(start, 2, {.key = "{b}"});
  for (ServerId server = 0; server < 2; ++server) {
    it.router.on_connected(start, server, true);
    it.note();
    it.router.on_reply(start, server, {.text = "OK"});
    it.router.on_reply(start, server, {.text = "OK"});
    while (it.commands[server].front().verb != Verb::acquire) it.commands[server].pop_front();
    it.reply(start, server, "acquired 5");
    it.note();
  }
  ASSERT_EQ(it.leases.size(), 2U);
  EXPECT_NE(it.leases[1]->id, it.leases[2]->id);
}

TEST(Router, UsersOfAQuorumSeeOneAnswer) {
  Routed it{Router::Mode::quorum, 3};
  for (ServerId server = 0; server < 3; ++server) it.connect(start, server);
  it.acquire(start, 1, {.key = "job"});
  for (ServerId server = 0; server < 3; ++server) {
    ASSERT_EQ(it.commands[server].size(), 1U);
    it.reply(start, server, "acquired 5");
  }
  it.note();
  ASSERT_EQ(it.leases.size(), 1U);
  EXPECT_EQ(it.leases[1]->fence.counter, 5);
  it.router.on_timer(start + 10s);
  it.note();
  for (ServerId server = 0; server < 3; ++server) it.reply(start + 10s, server, "k");
  it.connect(start + 10s, 2);
  it.note();
  it.router.release(start + 10s, *it.leases[1]);
  it.note();
  for (ServerId server = 0; server < 3; ++server) it.reply(start + 10s, server, "released");
  it.note();
  ASSERT_EQ(it.others.size(), 1U);
  EXPECT_EQ(std::get<Released>(it.others[0]).kind, Released::Kind::released);
  EXPECT_TRUE(it.router.idle());
  const auto counters = it.router.stats();
  EXPECT_EQ(counters.acquired, 1U);
  EXPECT_EQ(counters.renewals, 3U);
  EXPECT_EQ(counters.reconnects, 1U);
  EXPECT_GT(counters.commands, 5U);
}

TEST(Router, RepliesAreJudgedByTheTimeAfterReading) {
  Routed it{Router::Mode::quorum, 3};
  for (ServerId server = 0; server < 3; ++server) it.connect(start, server);
  it.acquire(start, 1, {.key = "job", .ttl = 1s, .renew = false});
  it.reply(start, 0, "acquired 5");
  it.reply(start, 1, "acquired 5");
  it.note();
  const auto end = it.leases.at(1)->end();
  // The thread began to read before the end, and slept until another could have held the lock.
  it.reply(end - 1us, 2, "acquired 6");
  it.router.on_timer(end + 300ms);
  it.note();
  EXPECT_EQ(it.leases[1]->left(end + 1us), Duration::zero());
  ASSERT_FALSE(it.others.empty());
  EXPECT_TRUE(std::holds_alternative<Lost>(it.others[0]));
}

class RouterOfSilent : public testing::TestWithParam<Router::Mode> {};

TEST_P(RouterOfSilent, NamesTheServerThatDidNotAnswerAReleaseAndWaitsNoMoreOnceToldSo) {
  Routed it{GetParam(), GetParam() == Router::Mode::quorum ? std::size_t{3} : std::size_t{1}};
  const auto servers = it.router.servers();
  for (ServerId server = 0; server < servers; ++server) it.connect(start, server);
  for (const WaiterId waiter : {1, 2}) {
    it.acquire(start, waiter, {.key = "job" + std::to_string(waiter)});
    for (ServerId server = 0; server < servers; ++server) it.reply(start, server, "acquired 5");
    it.note();
  }
  it.router.release(start, *it.leases.at(1));
  it.note();
  EXPECT_FALSE(it.router.settled());
  for (ServerId server = 1; server < servers; ++server) it.reply(start, server, "released");
  EXPECT_FALSE(it.router.settled());
  it.router.on_timer(start + 2s);
  it.note();
  EXPECT_EQ(it.unanswered, (std::set<ServerId>{0}));

  it.router.count_as_silent(0, true);
  EXPECT_TRUE(it.router.settled());
  it.others.clear();
  it.router.release(start + 2s, *it.leases.at(2));
  it.note();
  for (ServerId server = 1; server < servers; ++server) it.reply(start + 2s, server, "released");
  it.note();
  ASSERT_EQ(it.others.size(), 1U);
  EXPECT_TRUE(it.router.settled());
}

INSTANTIATE_TEST_SUITE_P(Modes, RouterOfSilent,
                         testing::Values(Router::Mode::single, Router::Mode::quorum));

TEST(Router, TheNextTimerIsTheEarliestOfAllServers) {
  Routed it{Router::Mode::cluster};
  it.acquire(start, 1, {.key = "{a}", .deadline = start + 3s});
  it.acquire(start, 2, {.key = "{b}", .deadline = start + 2s});
  EXPECT_EQ(it.router.next_timer(), start + 2s);
  it.router.on_timer(start + 2s);
  it.note();
  ASSERT_EQ(it.others.size(), 1U);
  EXPECT_EQ(std::get<Refusal>(it.others[0]).waiter, 2U);
}

}  // namespace
}  // namespace dlock::core
