// Looking at locks: what list and inspect say, against a real server and real clients.
#include "dlock/inspect.hpp"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>

#include "core/wire/keys.hpp"
#include "inspect/inspecting.hpp"
#include "support/wait.hpp"

namespace dlock {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names_of(const std::vector<LockInfo>& locks) {
  std::vector<std::string> names;
  for (const auto& lock : locks) names.push_back(lock.name);
  return names;
}

TEST_F(Inspecting, AFreeLockIsFree) {
  const auto lock = inspect_lock(client_, "a");
  EXPECT_EQ(lock.name, "a");
  EXPECT_FALSE(lock.held);
  EXPECT_FALSE(lock.foreign);
  EXPECT_EQ(lock.fence, 0);
  EXPECT_EQ(lock.ttl_left, std::nullopt);
  EXPECT_TRUE(lock.waiters.empty());
  EXPECT_TRUE(list_locks(client_).empty());
}

TEST_F(Inspecting, AHeldLockNamesItsHolder) {
  const DistributedLock held{client_, "a", {.ttl = 30s}};
  // A client registers itself beside its first acquire.
  ASSERT_TRUE(eventually([&] { return !inspect_lock(client_, "a").holder.host.empty(); }));
  const auto lock = inspect_lock(client_, "a");
  EXPECT_TRUE(lock.held);
  EXPECT_FALSE(lock.foreign);
  EXPECT_EQ(lock.fence, held.fence());
  EXPECT_EQ(lock.token, held.token());
  EXPECT_EQ(lock.holder.pid, ::getpid());
  EXPECT_EQ(lock.holder.program, ::program_invocation_short_name);
  EXPECT_EQ(lock.holder.label, "the \"first\" one\n");
  EXPECT_EQ(lock.holder.client.size(), 16U);
  ASSERT_TRUE(lock.ttl_left);
  EXPECT_LE(*lock.ttl_left, 30s);
  EXPECT_GT(*lock.ttl_left, 10s);
  EXPECT_LT(lock.since, 10s);
}

TEST_F(Inspecting, TheTimeSinceGrowsByTheServersClock) {
  const DistributedLock held{client_, "a", {.ttl = 30s}};
  EXPECT_TRUE(eventually([&] { return inspect_lock(client_, "a").since >= 20ms; }));
}

TEST_F(Inspecting, WaitersStandInOrderWithTheTimeTheyHaveWaited) {
  const DistributedLock held{client_, "a", {.ttl = 30s}};
  const Waiter first{server_, "a", {.label = "first"}};
  ASSERT_TRUE(eventually([&] { return waiters_of("a") == 1; }));
  const Waiter second{server_, "a", {.label = "second"}};
  ASSERT_TRUE(eventually([&] {
    const auto waiters = inspect_lock(client_, "a").waiters;
    return waiters.size() == 2 && !waiters[0].party.host.empty() && !waiters[1].party.host.empty();
  }));
  const auto lock = inspect_lock(client_, "a");
  EXPECT_EQ(lock.waiters[0].party.label, "first");
  EXPECT_EQ(lock.waiters[1].party.label, "second");
  EXPECT_GE(lock.waiters[0].waiting, lock.waiters[1].waiting);
  EXPECT_TRUE(eventually(
      [&] { return inspect_lock(client_, "a").waiters[1].waiting > lock.waiters[0].waiting; }));
}

TEST_F(Inspecting, ADeadWaiterIsNotShown) {
  const auto keys = core::lock_keys("a");
  const std::string token = "dlock1:0123456789abcdef:0123456789abcdef0123456789abcdef:3000";
  server_.command({"ZADD", keys.queue, "1", token});
  EXPECT_TRUE(inspect_lock(client_, "a").waiters.empty());
  EXPECT_TRUE(list_locks(client_).empty());
  server_.command({"HSET", keys.seen, token, "9007199254740991"});  // heard of since
  EXPECT_EQ(inspect_lock(client_, "a").waiters.size(), 1U);
}

TEST_F(Inspecting, ADeadHolderThatNeverRecordedItsFenceIsShownWithoutOne) {
  const std::string token = "dlock1:0123456789abcdef:0123456789abcdef0123456789abcdef:3000";
  server_.command({"SET", "a", token, "PX", "600000"});
  const auto lock = inspect_lock(client_, "a");
  EXPECT_TRUE(lock.held);
  EXPECT_FALSE(lock.foreign);
  EXPECT_EQ(lock.token, token);
  EXPECT_EQ(lock.holder.client, "0123456789abcdef");
  EXPECT_EQ(lock.fence, 0);
  EXPECT_EQ(server_.command({"GET", "a"}), token) << "nothing was changed";
}

TEST_F(Inspecting, AForeignHolderIsToldApart) {
  server_.command({"SET", "a", "somebody"});
  const auto lock = inspect_lock(client_, "a");
  EXPECT_TRUE(lock.held);
  EXPECT_TRUE(lock.foreign);
  EXPECT_EQ(lock.token, "somebody");
  EXPECT_EQ(lock.fence, 0);
  EXPECT_EQ(lock.holder.client, "");
  EXPECT_EQ(lock.ttl_left, std::nullopt);
  server_.command({"SET", "a", "", "PX", "50000"});
  EXPECT_TRUE(inspect_lock(client_, "a").held);
  EXPECT_TRUE(inspect_lock(client_, "a").foreign);
  EXPECT_TRUE(inspect_lock(client_, "a").ttl_left);
  server_.command({"SET", "a", "dlock1:almost"});
  EXPECT_TRUE(inspect_lock(client_, "a").foreign);
}

TEST_F(Inspecting, AKeyOfAnotherTypeIsNotALock) {
  server_.command({"LPUSH", "a", "x"});
  try {
    (void)inspect_lock(client_, "a");
    FAIL();
  } catch (const StoreUnusable& error) {
    EXPECT_EQ(error.reason(), errc::not_a_lock);
    EXPECT_THAT(error.what(), HasSubstr(client_.url()));
  }
}

TEST_F(Inspecting, AListHasWhatIsHeldOrWaitedForInOrderOfName) {
  const DistributedLock b{client_, "b", {.ttl = 30s}};
  const DistributedLock a{client_, "a", {.ttl = 30s}};
  const DistributedLock odd{client_, "odd }{\n\xff*", {.ttl = 30s}};
  server_.command({"SET", "foreign", "x"});
  server_.command({"SET", "foreign, waited for", "x", "PX", "600000"});
  server_.command({"LPUSH", "list", "x"});
  server_.command({"SET", "text", std::string(1 << 20, 'x')});
  const Waiter waiter{server_, "foreign, waited for"};
  ASSERT_TRUE(eventually([&] { return waiters_of("foreign, waited for") == 1; }));
  const auto locks = list_locks(client_);
  EXPECT_THAT(names_of(locks), ElementsAre("a", "b", "foreign, waited for", "odd }{\n\xff*"));
  EXPECT_EQ(locks[0].fence, a.fence());
  EXPECT_TRUE(locks[2].foreign);
  EXPECT_EQ(locks[2].waiters.size(), 1U);
}

TEST_F(Inspecting, AListTakesAPattern) {
  const DistributedLock first{client_, "job:1", {.ttl = 30s}};
  const DistributedLock second{client_, "job:2", {.ttl = 30s}};
  const DistributedLock other{client_, "other", {.ttl = 30s}};
  server_.command({"SET", "job:waited", "x", "PX", "600000"});
  const Waiter waiter{server_, "job:waited"};
  ASSERT_TRUE(eventually([&] { return waiters_of("job:waited") == 1; }));
  EXPECT_THAT(names_of(list_locks(client_, "job:*")), ElementsAre("job:1", "job:2", "job:waited"));
  EXPECT_THAT(names_of(list_locks(client_, "job:[0-1]")), ElementsAre("job:1"));
  EXPECT_THAT(names_of(list_locks(client_, "*waited")), ElementsAre("job:waited"));
  EXPECT_TRUE(list_locks(client_, "job").empty());
}

TEST_F(Inspecting, AListStaysWithinThePrefix) {
  Client prefixed{server_.unix_url(), {.prefix = "app[*]:"}};
  const DistributedLock outside{client_, "app[*x", {.ttl = 30s}};
  const DistributedLock alike{client_, "app*:b", {.ttl = 30s}};
  const DistributedLock inside{prefixed, "a", {.ttl = 30s}};
  EXPECT_THAT(names_of(list_locks(prefixed)), ElementsAre("a"));
  EXPECT_EQ(inspect_lock(prefixed, "a").fence, inside.fence());
  EXPECT_EQ(inspect_lock(prefixed, "a").name, "a");
  EXPECT_THAT(names_of(list_locks(client_)), ElementsAre("app*:b", "app[*]:a", "app[*x"));
}

TEST_F(Inspecting, AListIsWholeWithManyKeysAround) {
  std::vector<std::unique_ptr<DistributedLock>> held;
  for (int i = 0; i < 300; ++i) {
    held.push_back(std::make_unique<DistributedLock>(client_, "lock" + std::to_string(i),
                                                     LockOptions{.ttl = 60s}));
  }
  std::vector<std::string> words{"MSET"};
  for (int i = 0; i < 3000; ++i) words.insert(words.end(), {"noise" + std::to_string(i), "x"});
  const std::vector<std::string_view> fields{words.begin(), words.end()};
  server_.command(fields);
  EXPECT_EQ(list_locks(client_).size(), 300U);
}

TEST_F(Inspecting, NonsenseInARegistrationIsPassedOver) {
  const DistributedLock held{client_, "a", {.ttl = 30s}};
  ASSERT_TRUE(eventually([&] { return !inspect_lock(client_, "a").holder.host.empty(); }));
  const auto client = inspect_lock(client_, "a").holder.client;
  server_.command({"SET", core::registration_key(client), "{\"host\":\"x\",\"pid\":\"no\"}"});
  EXPECT_EQ(inspect_lock(client_, "a").holder.client, client);
  EXPECT_EQ(inspect_lock(client_, "a").holder.host, "");
}

TEST_F(Inspecting, ChangesNothing) {
  const DistributedLock held{client_, "a", {.ttl = 30s}};
  const Waiter waiter{server_, "a"};
  ASSERT_TRUE(eventually([&] { return waiters_of("a") == 1; }));
  const auto dump = server_.command({"GET", "a"});
  for (int i = 0; i < 100; ++i) (void)inspect_lock(client_, "a");
  EXPECT_EQ(server_.command({"GET", "a"}), dump);
  EXPECT_EQ(waiters_of("a"), 1U);
  EXPECT_TRUE(held.held());
}

TEST_F(Inspecting, WorksOnAReplicaAndAFullServer) {
  const DistributedLock held{client_, "a", {.ttl = 30s}};
  server_.command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_TRUE(inspect_lock(client_, "a").held);
  EXPECT_EQ(list_locks(client_).size(), 1U);
  server_.command({"CONFIG", "SET", "maxmemory", "0"});
  server_.command({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_TRUE(inspect_lock(client_, "a").held);
  server_.command({"REPLICAOF", "NO", "ONE"});
}

TEST_F(Inspecting, AnUnreachableServerIsAnError) {
  Client nowhere{"redis://127.0.0.1:1"};
  EXPECT_THROW((void)inspect_lock(nowhere, "a"), Unreachable);
  EXPECT_THROW((void)list_locks(nowhere), Unreachable);
  EXPECT_THROW((void)break_lock(nowhere, "a", 1), Unreachable);
}

TEST_F(Inspecting, ResultsHaveATextForm) {
  const Lease lease = Mutex{client_, "a\nb", {.ttl = 30s}}.acquire();
  std::ostringstream out;
  out << inspect_lock(client_, "a\nb") << '\n' << inspect_lock(client_, "free");
  EXPECT_THAT(
      out.str(),
      testing::MatchesRegex(
          "mutex \"a\\\\nb\": [^\n]* \\(pid [0-9]+ on [^\n]*\\)[^\n]* holds since [0-9]+ ms, "
          "fence [0-9]+, ends in [0-9]+ ms; 0 waiting\nlock \"free\": free; 0 waiting"));
  Latch{client_, "l", 2}.count_down();
  EXPECT_EQ(to_string(*inspect_latch(client_, "l")),
            "latch \"l\": 1 of 2 left, 0 parts joined, 0 waiting");
  server_.command({"FLUSHALL"});
}

TEST_F(Inspecting, MissingRightsAreAnError) {
  server_.command({"ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all", "-scan"});
  auto url = server_.unix_url();
  url.insert(url.find("//") + 2, "u:x@");
  Client limited{url};
  EXPECT_NO_THROW((void)inspect_lock(limited, "a"));
  try {
    (void)list_locks(limited);
    FAIL();
  } catch (const Refused& error) {
    EXPECT_THAT(error.what(), HasSubstr("+scan"));
  }
}

}  // namespace
}  // namespace dlock
