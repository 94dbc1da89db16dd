// Wrong types and absurd numbers in our keys, whoever wrote them: what they are in works again, or
// the error names the key; nothing else is disturbed.
#include <functional>
#include <future>
#include <vector>

#include "core/wire/gate.hpp"
#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

using Command = std::vector<std::string>;

/// The command that gives `key` a value that dlock never writes there.
std::vector<Command> wrong_types(const std::string& key) {
  return {{"SET", key, "x"},
          {"RPUSH", key, "x"},
          {"SADD", key, "x"},
          {"HSET", key, "x", "y"},
          {"ZADD", key, "inf", "x", "-inf", "y"}};
}

const std::vector<std::string> absurd{"abc",
                                      "",
                                      "nan",
                                      "inf",
                                      "-inf",
                                      "1e300",
                                      "1e17",
                                      "-5",
                                      "2.5",
                                      "9007199254740992",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      std::string(100, '9'),
                                      std::string(100'000, 'x')};

class MisusedKeys : public ClientTest {
 protected:
  void TearDown() override { server.command({"FLUSHALL"}); }

  [[nodiscard]] bool run(const Command& command) {
    const std::vector<std::string_view> fields{command.begin(), command.end()};
    try {
      server.command(fields);
      return true;
    } catch (const std::runtime_error&) {
      return false;  // no number that the server takes
    }
  }

  /// Does `use` with a client whose lease of another lock goes on, and whose connection lasts.
  void expect_mended_or_named(const std::string& key, const std::string& what,
                              const std::function<void(Client&)>& use) {
    SCOPED_TRACE(what);
    Client client{server.url()};
    const Lease other = Mutex{client, "other"}.acquire();
    const auto words = words_of([&] { use(client); });
    EXPECT_TRUE(words.empty() || words.find('"' + key + '"') != words.npos) << words;
    EXPECT_TRUE(Mutex(client, "one more").try_acquire());
    EXPECT_NO_THROW(other.ensure_held());
    EXPECT_EQ(client.stats().reconnects, 0U);
  }

  /// Each of these keys in each wrong way, before `use`. A text at a mutex is somebody's lock.
  void try_types(const std::vector<std::string>& keys, const std::function<void(Client&)>& use,
                 bool may_be_text = true) {
    for (const auto& key : keys) {
      for (const auto& command : wrong_types(key)) {
        if (command[0] == "SET" && key == "k" && !may_be_text) continue;
        server.command({"FLUSHALL"});
        ASSERT_TRUE(run(command));
        expect_mended_or_named(key, command[0] + " " + key, use);
      }
    }
  }
  /// The same with a field of a hash that `make` left.
  void try_fields(const std::string& key, const std::string& named,
                  const std::vector<std::string>& fields, const std::function<void(Client&)>& make,
                  const std::function<void(Client&)>& use) {
    for (const auto& field : fields) {
      for (const auto& number : absurd) {
        server.command({"FLUSHALL"});
        Client maker{server.url()};
        make(maker);
        ASSERT_TRUE(run({"HSET", key, field, number}));
        expect_mended_or_named(named, field + " = " + number.substr(0, 20), use);
      }
    }
  }
};

/// Two clients of one lock: one has it, the other waits, the first lets go.
template <class Take>
void hand_over(Client& client, Take take) {
  Client second{client.url()};
  std::optional<Lease> lease{take(client)};
  auto next = std::async(std::launch::async, [&] { return take(second); });
  lease->release();
  (void)next.get();
}

void use_mutex(Client& client) {
  const LockOptions options{.wait = 20s};
  hand_over(client, [&](Client& some) { return Mutex{some, "k", options}.acquire(); });
  acquire_all(client, {"k", "l"}, options).release();
}

void use_shared(Client& client) {
  const LockOptions options{.wait = 20s};
  hand_over(client, [&](Client& some) { return SharedMutex{some, "k", options}.acquire(); });
  (void)SharedMutex{client, "k", options}.reader().acquire();
}

void use_semaphore(Client& client) {
  const LockOptions options{.wait = 20s};
  hand_over(client,
            [&](Client& some) { return Semaphore{some, "k", 3, options}.permits(2).acquire(); });
}

void use_latch(Client& client) {
  Latch latch{client, "k", 2};
  latch.count_down();
  latch.count_down(latch.join());
  EXPECT_TRUE(latch.wait_for(20s));
}

void use_barrier(Client& client) {
  Barrier barrier{client, "k", 2};
  Client second{client.url()};
  auto other = std::async(std::launch::async,
                          [&] { EXPECT_TRUE((Barrier{second, "k", 2}.arrive_and_wait_for(20s))); });
  EXPECT_TRUE(barrier.arrive_and_wait_for(20s));
  other.get();
  barrier.leave(barrier.join());
}

void use_condition(Client& client) {
  Mutex mutex{client, "k"};
  ConditionVariable changed{client, "k"};
  std::future<void> other;
  std::unique_lock lock{mutex};
  other = std::async(std::launch::async, [&] {
    const std::unique_lock theirs{mutex};
    changed.notify_all();
  });
  EXPECT_EQ(changed.wait_for(lock, 20s), std::cv_status::no_timeout);
  other.get();
}

void use_election(Client& client) {
  Election election{client, "k"};
  auto leads = election.campaign("me");
  EXPECT_EQ(election.leader().value_or(Leader{}).value, "me");
  leads.proclaim("me again");
  EXPECT_EQ(election.observe().next_for(20s).value_or(LeaderChange{}).leader.value, "me again");
}

std::vector<std::string> keys_of(const std::string& key) {
  const auto keys = core::lock_keys(key);
  return {keys.lock, keys.queue, keys.seen, std::string{core::fence_key}};
}

TEST_F(MisusedKeys, OfLocks) {
  try_types(keys_of("k"), use_mutex, false);
  try_types(keys_of("k"), use_shared);
  try_types(keys_of("k"), use_semaphore);
}

TEST_F(MisusedKeys, OfGates) {
  for (const auto& [kind, use] : std::vector<std::pair<core::Kind, void (*)(Client&)>>{
           {core::Kind::latch, use_latch},
           {core::Kind::barrier, use_barrier},
           {core::Kind::condition, use_condition}}) {
    const auto gate = core::gate_key(kind, "k");
    auto keys = keys_of(gate);
    keys.push_back(core::parts_key(gate));
    try_types(keys, use);
  }
}

TEST_F(MisusedKeys, OfElections) {
  auto keys = keys_of("k");
  keys.push_back(core::leader_key("k"));
  try_types(keys, use_election, false);
}

TEST_F(MisusedKeys, AbsurdFences) {
  for (const auto& number : absurd) {
    for (const auto& use : {use_mutex, use_shared, use_election}) {
      server.command({"SET", core::fence_key, number});
      expect_mended_or_named(std::string{core::fence_key}, number.substr(0, 20), use);
      server.command({"SET", core::fence_key, number});
      Client client{server.url()};
      EXPECT_LT((Mutex{client, "fence"}.acquire().fence()), std::int64_t{1} << 58);
    }
  }
}

TEST_F(MisusedKeys, AbsurdNumbersOfPermits) {
  const auto use = [&](Client& client) {
    const auto lease = Semaphore{client, "k", 3}.try_acquire();
    (void)Semaphore{client, "k", 3}.permits(3).try_acquire_for(1ms);
    if (lease) lease->ensure_held();
  };
  for (const auto* member : {"=capacity", "=used", "=written", "=seal1", "holder"}) {
    for (const auto& number : absurd) {
      server.command({"FLUSHALL"});
      Client holder{server.url()};
      const auto lease = Semaphore{holder, "k", 3}.acquire();
      const auto name = std::string{member} == "holder" ? lease.token() : member;
      if (!run({"ZADD", "k", number, name})) continue;
      expect_mended_or_named("k", name + " = " + number, use);
    }
  }
}

TEST_F(MisusedKeys, AbsurdNumbersOfLatches) {
  const auto make = [](Client& client) { Latch{client, "k", 3}.count_down(); };
  const auto use = [](Client& client) {
    Latch latch{client, "k", 3};
    (void)latch.try_wait();
    latch.count_down(latch.join());
    (void)inspect_latch(client, "k");
  };
  try_fields("dlock1:latch:k", "dlock1:latch:k", {"count", "left"}, make, use);
  try_fields("dlock1:latch:k", "k", {"parts"}, make, use);
}

TEST_F(MisusedKeys, AbsurdNumbersOfBarriers) {
  const auto make = [](Client& client) { Barrier{client, "k", 2}.reset(); };
  const auto use = [](Client& client) {
    Barrier barrier{client, "k", 2};
    (void)barrier.arrive_and_wait_for(1ms);
    (void)inspect_barrier(client, "k");
  };
  try_fields("dlock1:barrier:k", "dlock1:barrier:k",
             {"parties", "phase", "broken", "passed", "ended"}, make, use);
  try_fields("dlock1:barrier:k", "k", {"parts"}, make, use);
}

TEST_F(MisusedKeys, AbsurdNumbersOfLeaders) {
  for (const auto& number : absurd) {
    Client client{server.url()};
    Election election{client, "k"};
    auto leads = election.campaign("me");
    const auto token = value("k").substr(0, value("k").find(':', core::token_claim_at));
    for (const auto& rest : {":" + number + ":0:1:they", ":1:" + number + ":1:they",
                             value("k").substr(token.size()) + ":" + number + ":they"}) {
      server.command({"SET", core::leader_key("k"), token + rest});
      leads.proclaim("me again");
      EXPECT_EQ(election.leader().value_or(Leader{}).value, "me again") << rest.substr(0, 80);
    }
    EXPECT_EQ(client.stats().reconnects, 0U);
  }
}

TEST_F(MisusedKeys, AbsurdTicketsOfWaiters) {
  for (const auto* score : {"inf", "-inf", "1e300", "-1e300", "0.5"}) {
    Client client{server.url()};
    Client other{server.url()};
    auto lease = Mutex{other, "k"}.acquire();
    auto wait = std::async(std::launch::async, [&] { return Mutex{client, "k"}.acquire(); });
    ASSERT_TRUE(come_to_wait("k", 1));
    const auto queue = core::lock_keys("k").queue;
    server.command({"ZADD", queue, score, server.command({"ZRANGE", queue, "0", "0"})});
    server.command({"ZADD", queue, score, "~", score, "strangers", score, "dlock1:x:y:1"});
    lease.release();
    EXPECT_EQ(wait.wait_for(20s), std::future_status::ready) << score;
    EXPECT_EQ(client.stats().reconnects, 0U);
  }
}

TEST_F(MisusedKeys, AbsurdExpiries) {
  constexpr auto longest = "900000000000000000";
  for (const auto& value : {std::string{"another library's"},
                            "dlock1:eeeeeeeeeeeeeeee:" + std::string(32, '0') + ":3000:55:0"}) {
    server.command({"SET", "k", value, "PX", longest});
    Client client{server.url()};
    EXPECT_FALSE((Mutex{client, "k"}.try_acquire()));
    EXPECT_FALSE((Mutex{client, "k"}.try_acquire_for(300ms)));
    EXPECT_FALSE(try_acquire_all(client, {"k", "l"}));
    EXPECT_FALSE((Election{client, "k"}.leader()));
    EXPECT_GT(inspect_lock(client, "k").ttl_left.value_or(0ms), std::chrono::hours{1});
    EXPECT_EQ(client.stats().reconnects, 0U);
  }
  for (const bool has_none : {false, true}) {
    server.command({"FLUSHALL"});
    expect_mended_or_named("k", has_none ? "none" : longest, [&](Client& client) {
      auto lease = Semaphore{client, "k", 1}.acquire();
      if (has_none) {
        server.command({"PERSIST", "k"});
      } else {
        server.command({"PEXPIRE", "k", longest});
      }
      EXPECT_FALSE((Semaphore{client, "k", 1}.try_acquire_for(50ms)));
      lease.release();
      EXPECT_TRUE((Semaphore{client, "k", 1}.try_acquire()));
    });
  }
}

TEST_F(MisusedKeys, OfRegistrations) {
  Client client{server.url()};
  const auto lease = Mutex{client, "k"}.acquire();
  const auto key = core::registration_key(core::client_of(lease.token()));
  for (const auto& command : wrong_types(key)) {
    server.command({"DEL", key});
    ASSERT_TRUE(run(command));
    EXPECT_EQ(inspect_lock(client, "k").token, lease.token());
    EXPECT_EQ(list_locks(client).size(), 1U);
  }
}

TEST_F(MisusedKeys, OneOfSeveralIsNamed) {
  Client client{server.url()};
  server.command({"RPUSH", "c", "x"});
  const auto words = words_of([&] { (void)acquire_all(client, {"a", "b", "c", "d"}); });
  EXPECT_THAT(words, HasSubstr("\"c\""));
  EXPECT_THAT(words, Not(HasSubstr("\"a\"")));
  EXPECT_TRUE(eventually([&] { return is_free("a") && is_free("b") && is_free("d"); }));
}

}  // namespace
}  // namespace dlock::test
