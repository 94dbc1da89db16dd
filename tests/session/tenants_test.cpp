// A user with the rights that docs/operations.md gives to one of several tenants: it can use
// everything itself, and nothing that belongs to another.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <iterator>
#include <sstream>
#include <vector>

#include "core/wire/gate.hpp"
#include "redis/connection.hpp"
#include "script/scripts.hpp"
#include "support/checkout.hpp"
#include "support/client_fixture.hpp"
#include "support/rights.hpp"

namespace dlock::test {
namespace {

/// The commands for the user `app` in the documentation, one after the other.
std::vector<std::vector<std::string>> documented_commands() {
  std::ifstream file{source_path("docs/operations.md")};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  constexpr std::string_view begin = "ACL SETUSER app ";
  std::vector<std::vector<std::string>> commands;
  for (auto at = text.find(begin); at != text.npos; at = text.find(begin, at + 1)) {
    auto& words = commands.emplace_back(std::vector<std::string>{"ACL", "SETUSER", "app"});
    std::istringstream rest{
        text.substr(at + begin.size(), text.find("```", at) - at - begin.size())};
    for (std::string word; rest >> word;) {
      std::erase(word, '\'');
      if (word != "\\") words.push_back(word);
    }
  }
  return commands;
}

class Tenants : public ClientTest {
 protected:
  void SetUp() override {
    const auto commands = documented_commands();
    ASSERT_EQ(commands.size(), 2U) << "all rights, and then the narrow ones";
    for (const auto& command : commands) {
      const std::vector<std::string_view> fields{command.begin(), command.end()};
      server.command(fields);
    }
  }

  [[nodiscard]] std::string url() const {
    auto url = server.url();
    return url.insert(url.find("//") + 2, "app:secret@");
  }
  [[nodiscard]] ClientOptions ours() const { return {.prefix = "app:"}; }
  [[nodiscard]] std::unique_ptr<redis::Connection> stranger() const {
    return redis::Connection::open({redis::parse_url(url()), "dlock:stranger"});
  }
  [[nodiscard]] std::vector<std::string> all_keys() const {
    std::istringstream lines{keys()};
    return {std::istream_iterator<std::string>{lines}, {}};
  }
  /// The members of a queue, or of permits.
  [[nodiscard]] std::vector<std::string> members(const std::string& key) const {
    std::istringstream lines{server.command({"ZRANGE", key, "0", "-1"})};
    return {std::istream_iterator<std::string>{lines}, {}};
  }
};

using redis::ReplyView;

std::string reply_to(redis::Connection& connection, const std::vector<std::string>& words) {
  const std::vector<std::string_view> fields{words.begin(), words.end()};
  const auto reply = connection.call(fields, 10s);
  return (reply.kind == ReplyView::Kind::error ? "-" : "") + reply.text;
}

TEST_F(Tenants, TheProtocolSaysTheSame) {
  auto rights = documented_rights({"tenant"});
  for (auto& right : rights) {
    if (const auto at = right.find("PREFIX"); at != right.npos) right.replace(at, 6, "app:");
  }
  auto commands = documented_commands();
  std::erase_if(commands.at(1), [](const auto& word) { return word[0] != '~' && word[0] != '&'; });
  EXPECT_EQ(rights, commands.at(1));
}

TEST_F(Tenants, OneCanUseEveryKindWithTheNarrowRights) {
  Client client{url(), ours()};
  Client other{url(), ours()};
  const LockOptions patient{.wait = 20s};
  const auto later = [](auto act) { return std::async(std::launch::async, act); };
  {
    auto lease = Mutex{client, "m"}.acquire();
    auto next = later([&] { return Mutex{other, "m", patient}.acquire(); });
    ASSERT_TRUE(come_to_wait("app:m", 1));
    lease.release();
    next.get().ensure_held();
    acquire_all(client, {"m", "n"}, patient).release();
    EXPECT_TRUE(run_once(client, "o", {.at_least = 1ms, .at_most = 20s}, [] {}));
  }
  {
    SharedMutex shared{client, "r"};
    auto reader = std::optional{shared.reader().acquire()};
    auto writer = later([&] { return SharedMutex{other, "r", patient}.acquire(); });
    ASSERT_TRUE(come_to_wait("app:r", 1));
    reader.reset();
    writer.get().ensure_held();
    auto upgradeable = shared.acquire_upgradeable();
    upgradeable.upgrade();
    upgradeable.downgrade();
  }
  {
    Semaphore semaphore{client, "s", 2};
    auto lease = semaphore.permits(2).acquire();
    auto next = later([&] { return Semaphore{other, "s", 2, {.wait = 20s}}.permits(1).acquire(); });
    ASSERT_TRUE(come_to_wait("app:s", 1));
    semaphore.resize(3);
    next.get().ensure_held();
    EXPECT_EQ(break_lock(other, "s", lease.fence()), BreakOutcome::broken);
  }
  {
    Latch latch{client, "l", 2};
    auto waiting = later([&] { return Latch{other, "l", 2}.wait_for(20s); });
    auto part = latch.join();
    latch.count_down();
    latch.count_down(std::move(part));
    EXPECT_TRUE(waiting.get());
  }
  {
    Barrier barrier{client, "b", 2};
    auto part = barrier.join();
    auto arrived = later([&] { return Barrier{other, "b", 2}.arrive_and_wait_for(20s); });
    EXPECT_TRUE(barrier.arrive_and_wait_for(20s));
    EXPECT_TRUE(arrived.get());
    barrier.leave(std::move(part));
    barrier.reset();
  }
  {
    Mutex mutex{client, "c"};
    ConditionVariable changed{client, "c"};
    std::future<void> notified;
    std::unique_lock lock{mutex};
    notified = later([&] {
      Mutex same{other, "c"};
      const std::unique_lock theirs{same};
      ConditionVariable{other, "c"}.notify_all();
    });
    EXPECT_EQ(changed.wait_for(lock, 20s), std::cv_status::no_timeout);
    lock.unlock();
    notified.get();
  }
  {
    Election election{client, "e"};
    auto observer = Election{other, "e"}.observe();
    auto leads = election.campaign("me");
    for (std::string value; value != "me";) {
      const auto change = observer.next_for(20s);
      ASSERT_TRUE(change);
      value = change->leader.value;
    }
    leads.resign();
    EXPECT_FALSE(election.leader());
  }
  // To look, it needs the two rights more that are named there.
  server.command({"ACL", "SETUSER", "app", "+scan", "+getrange"});
  auto lease = Mutex{client, "m"}.acquire();
  EXPECT_EQ(inspect_lock(other, "m").token, lease.token());
  EXPECT_EQ(list_locks(other).size(), 1U);
  EXPECT_EQ(inspect_latch(other, "l").value_or(LatchInfo{}).count, 2);
  EXPECT_EQ(inspect_barrier(other, "b").value_or(BarrierInfo{}).parties, 2);
  EXPECT_EQ(break_lock(other, "m", lease.fence()), BreakOutcome::broken);
  server.command({"FLUSHALL"});
}

/// All that another tenant may have: held, waited for, joined, done once.
class Victim {
 public:
  explicit Victim(const std::string& url)
      : holder(url, {.prefix = "other:"}), waiter(url, {.prefix = "other:"}) {}

  Client holder, waiter;
  std::optional<Lease> mutex{Mutex{holder, "m"}.acquire()};
  std::optional<Lease> reader{SharedMutex{holder, "r"}.reader().acquire()};
  std::optional<Lease> permits{Semaphore{holder, "s", 2}.permits(2).acquire()};
  std::optional<Leadership> leads{Election{holder, "e"}.campaign("us")};
  Latch latch{holder, "l", 1};
  std::optional<Lease> part{latch.join()};
  Barrier barrier{holder, "b", 2};
  std::atomic<bool> may_go = false;  ///< what the waits below need is given now
  bool once = run_once(holder, "o", {.at_least = 60s, .at_most = 60s}, [] {});

  std::vector<std::future<bool>> waits;

  /// Starts the waits, each of which says whether it was let go when it should be, and not before.
  void wait() {
    const auto begin = [&](auto act) {
      waits.push_back(std::async(std::launch::async, [this, act] {
        const bool done = act();
        return done && may_go.load();
      }));
    };
    begin([&] { return Mutex{waiter, "m"}.try_acquire_for(60s).has_value(); });
    begin([&] { return SharedMutex{waiter, "r"}.try_acquire_for(60s).has_value(); });
    begin([&] { return Semaphore{waiter, "s", 2}.try_acquire_for(60s).has_value(); });
    begin([&] { return Election{waiter, "e"}.try_campaign_for(60s, "next").has_value(); });
    begin([&] { return Latch{waiter, "l", 1}.wait_for(60s); });
    begin([&] { return Barrier{waiter, "b", 2}.arrive_and_wait_for(60s); });
    begin([&] {
      Mutex mutex{waiter, "c"};
      std::unique_lock lock{mutex};
      return ConditionVariable{waiter, "c"}.wait_for(lock, 60s) == std::cv_status::no_timeout;
    });
  }

  void expect_unharmed() {
    EXPECT_NO_THROW(mutex->ensure_held());
    EXPECT_NO_THROW(reader->ensure_held());
    EXPECT_NO_THROW(permits->ensure_held());
    EXPECT_NO_THROW(part->ensure_held());
    EXPECT_EQ(Election(waiter, "e").leader().value_or(Leader{}).value, "us");
    EXPECT_FALSE(begin_once(waiter, "o", {.at_least = 1s, .at_most = 60s}));
    for (auto& wait : waits) EXPECT_EQ(wait.wait_for(0s), std::future_status::timeout);
  }

  /// Gives all that is waited for.
  void let_go() {
    may_go = true;
    mutex->release();
    reader->release();
    permits->release();
    leads->resign();
    latch.count_down(std::move(*part));
    EXPECT_TRUE(barrier.arrive_and_wait_for(20s));
    ConditionVariable{holder, "c"}.notify_all();
    for (std::size_t i = 0; i < waits.size(); ++i) EXPECT_TRUE(waits[i].get()) << i;
  }
};

class HostileTenant : public Tenants {
 protected:
  void SetUp() override {
    Tenants::SetUp();
    victim.emplace(server.url());
    victim->wait();
    const auto gate = [](core::Kind kind, const char* name) {
      return core::gate_key(kind, std::string{"other:"} + name);
    };
    for (const auto& key : {std::string{"other:m"}, std::string{"other:r"}, std::string{"other:s"},
                            std::string{"other:e"}, gate(core::Kind::latch, "l"),
                            gate(core::Kind::barrier, "b"), gate(core::Kind::condition, "c")}) {
      ASSERT_TRUE(come_to_wait(key, 1)) << key;
    }
  }
  void TearDown() override {
    victim->expect_unharmed();
    victim->let_go();
    victim.reset();
    server.command({"FLUSHALL"});
  }

  std::optional<Victim> victim;
};

TEST_F(HostileTenant, CannotTouchOneKey) {
  const auto evil = stranger();
  int tried = 0;
  for (const auto& key : all_keys()) {
    if (key == core::fence_key || key.starts_with("dlock1:client:")) continue;
    ++tried;
    for (const auto& command : std::vector<std::vector<std::string>>{
             {"GET", key},
             {"SET", key, "x"},
             {"SET", key, "x", "KEEPTTL"},
             {"DEL", key},
             {"EXISTS", key},
             {"INCR", key},
             {"PEXPIRE", key, "1"},
             {"PTTL", key},
             {"ZADD", key, "0", "dlock1:eeeeeeeeeeeeeeee:" + std::string(32, '0') + ":3000"},
             {"ZREM", key, "x"},
             {"ZPOPMIN", key},
             {"ZRANGE", key, "0", "-1"},
             {"ZMSCORE", key, "x"},
             {"HSET", key, "left", "0"},
             {"HGETALL", key},
             {"HDEL", key, "count"},
             {"RENAME", key, "app:x"},
             {"RENAME", "app:x", key},
             {"EVAL", "return redis.call('DEL', KEYS[1])", "1", key},
             {"EVAL", "return redis.call('DEL', ARGV[1])", "0", key},
             {"EVAL", std::string{script::release.text}, "4", "app:x", key, "app:z", "dlock1:fence",
              "dlock1:eeeeeeeeeeeeeeee:" + std::string(32, '0') + ":3000"}}) {
      const auto reply = reply_to(*evil, command);
      EXPECT_TRUE(reply.starts_with("-NOPERM") || reply.find("o permissions") != reply.npos ||
                  reply.find("can't") != reply.npos)
          << command[0] << ' ' << key << ": " << reply;
    }
  }
  EXPECT_GE(tried, 18) << "locks, queues, parts, gates, the leader's value and the marker";
  for (const auto* command :
       {"FLUSHALL", "FLUSHDB", "SCAN", "KEYS", "MONITOR", "CONFIG", "SHUTDOWN"}) {
    EXPECT_THAT(reply_to(*evil, {command}), StartsWith("-")) << command;
  }
  EXPECT_THAT(reply_to(*evil, {"CLIENT", "LIST"}), StartsWith("-NOPERM"));
  EXPECT_THAT(reply_to(*evil, {"CLIENT", "KILL", "ID", "1"}), StartsWith("-NOPERM"));
}

TEST_F(HostileTenant, ForgedMessagesAreNotBelieved) {
  // As if it had found out all tokens, and who listens where.
  const auto evil = stranger();
  const auto time = server.command({"TIME"});
  const auto now = time.substr(0, time.find('\n')) + "000000";
  const auto fence = server.command({"GET", core::fence_key});
  std::vector<std::string> tokens{victim->mutex->token(), victim->reader->token(),
                                  victim->permits->token(), value("other:e").substr(0, 61),
                                  victim->part->token()};
  for (const auto& key : all_keys()) {
    if (!key.starts_with("dlock1:qw:")) continue;
    for (const auto& token : members(key)) tokens.push_back(token);
  }
  EXPECT_GE(tokens.size(), 12U);
  for (const auto& token : tokens) {
    const auto channel = core::channel_of(core::client_of(token));
    for (const auto& counter : {fence, std::to_string(std::stoll(fence) + 1), std::string{"0"}}) {
      for (const auto& message :
           {"grant " + token + ' ' + counter + ' ' + now,
            "grant " + token + ' ' + counter + ' ' + now + ' ' + std::string(40, '0'),
            "break " + token + ' ' + counter + " 0", "next " + token + " 0",
            "next " + token + " 9223372036854775807", "grant " + token,
            std::string(100'000, 'x')}) {
        EXPECT_EQ(reply_to(*evil, {"SPUBLISH", channel, message}), "1");
      }
    }
  }
  EXPECT_THAT(reply_to(*evil, {"SPUBLISH", core::leader_key("other:e"), "changed"}),
              StartsWith("-NOPERM"));
  // The clients find out that it is false when they ask the server.
  for (auto* const client : {&victim->holder, &victim->waiter}) {
    const auto before = client->stats().commands;
    EXPECT_TRUE(Mutex(*client, "other").try_acquire());
    EXPECT_LT(client->stats().commands - before, 500U);
  }
}

TEST_F(HostileTenant, ItsOwnLocksAndTheFencesTakeNothing) {
  const auto evil = stranger();
  const auto& token = victim->mutex->token();
  const auto waiting = members(core::lock_keys("other:m").queue).at(0);
  // Others' tokens in a queue and a lock of its own, under whose seal they are granted.
  for (const auto& theirs : {token, waiting}) {
    const std::string mine = "dlock1:eeeeeeeeeeeeeeee:" + std::string(32, '0') + ":3000";
    reply_to(*evil, {"SET", "app:x", mine + ":1.2:77:0", "PX", "20000"});
    reply_to(*evil, {"ZADD", "dlock1:qw:{app:x}", "1", theirs});
    EXPECT_THAT(reply_to(*evil, {"EVAL", std::string{script::release.text}, "4", "app:x",
                                 "dlock1:qw:{app:x}", "dlock1:sw:{app:x}", "dlock1:fence", mine}),
                HasSubstr("released"));
  }
  for (const auto* fence : {"abc", "9007199254740991", "-1", "1", "1e300"}) {
    EXPECT_EQ(reply_to(*evil, {"SET", "dlock1:fence", fence}), "OK");
    EXPECT_GT((Mutex{victim->waiter, "fence"}.acquire().fence()), std::int64_t{1} << 52);
  }
  for (const auto& of : {token, waiting}) {
    const auto key = core::registration_key(core::client_of(of));
    EXPECT_EQ(reply_to(*evil, {"DEL", key}), "1");
    reply_to(*evil, {"ZADD", key, "1", "x"});
  }
  EXPECT_EQ(inspect_lock(victim->holder, "m").token, token);
}

TEST_F(Tenants, APlaceInAQueueWithALongClaimIsForThreeSecondsAtMost) {
  // With all of dlock1:* it can stand in everybody's queue.
  server.command({"ACL", "SETUSER", "app", "~dlock1:*"});
  const auto evil = stranger();
  Client client{server.url(), {.prefix = "other:"}};
  const auto stand_in = [&](const std::string& key, const std::string& claim) {
    const auto token = "dlock1:eeeeeeeeeeeeeeee:" + std::string(32, '0') + ':' + claim;
    EXPECT_EQ(reply_to(*evil, {"SSUBSCRIBE", "dlock1:c:eeeeeeeeeeeeeeee"}).substr(0, 1), "");
    const auto time = server.command({"TIME"});
    const auto now = time.substr(0, time.find('\n')) + "000000";
    EXPECT_EQ(reply_to(*evil, {"ZADD", core::lock_keys(key).queue, now, token}), "1");
  };
  const auto left = [&](const std::string& key) {
    return std::stoll(server.command({"PTTL", key}));
  };
  const auto begin = SteadyClock::now();
  for (const auto* claim : {"315360000000", "999999999999999999999999999999"}) {
    auto lease = Mutex{client, "m"}.acquire();
    stand_in("other:m", claim);
    lease.release();
    EXPECT_GT(left("other:m"), 0) << "it is its turn";
    EXPECT_LE(left("other:m"), 3000);
    auto permits = Semaphore{client, "s", 1}.acquire();
    stand_in("other:s", std::string{claim} + ":1");
    permits.release();
    EXPECT_GT(left("other:s"), 0);
    EXPECT_LE(left("other:s"), 4000) << "and what the key outlives its holders by";
    EXPECT_TRUE((Mutex{client, "m"}.try_acquire_for(60s)));
    EXPECT_TRUE((Semaphore{client, "s", 1}.try_acquire_for(60s)));
  }
  EXPECT_LT(SteadyClock::now() - begin, 40s);
}

}  // namespace
}  // namespace dlock::test
