// Breaking locks: from one holder by its fence, never from another.
#include "dlock/inspect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include "core/wire/keys.hpp"
#include "inspect/inspecting.hpp"
#include "redis/connection.hpp"
#include "support/wait.hpp"

namespace dlock {
namespace {

using namespace std::chrono_literals;
using test::eventually;

class Breaking : public Inspecting {};

TEST_F(Breaking, TakesTheLockAndTellsTheHolder) {
  Client holder{server_.unix_url()};
  const DistributedLock held{holder, "a", {.ttl = 30s}};
  EXPECT_EQ(break_lock(client_, "a", held.fence(), 10s), BreakOutcome::broken);
  EXPECT_FALSE(inspect_lock(client_, "a").held);
  EXPECT_TRUE(eventually([&] { return held.lost().stop_requested(); }));
  EXPECT_THROW(held.ensure_held(), LockLost);
}

TEST_F(Breaking, LetsTheNextOneGoOn) {
  Client holder{server_.unix_url()};
  const DistributedLock held{holder, "a", {.ttl = 30s}};
  const Waiter waiter{server_, "a"};
  ASSERT_TRUE(eventually([&] { return waiters_of("a") == 1; }));
  EXPECT_EQ(break_lock(client_, "a", held.fence(), 10s), BreakOutcome::broken);
  EXPECT_TRUE(eventually([&] { return waiter.has_it(); }));
  EXPECT_GT(inspect_lock(client_, "a").fence, held.fence());
}

TEST_F(Breaking, AnEarlierHolderChangesNothing) {
  std::int64_t before = 0;
  {
    const DistributedLock former{client_, "a", {.ttl = 30s}};
    before = former.fence();
  }
  const DistributedLock held{client_, "a", {.ttl = 30s}};
  EXPECT_EQ(break_lock(client_, "a", before, 10s), BreakOutcome::not_holder);
  EXPECT_EQ(break_lock(client_, "a", held.fence() + 64, 10s), BreakOutcome::not_holder);
  EXPECT_EQ(break_lock(client_, "a", 0, 10s), BreakOutcome::not_holder);
  EXPECT_EQ(break_lock(client_, "a", -1, 10s), BreakOutcome::not_holder);
  EXPECT_EQ(break_lock(client_, "free", held.fence(), 10s), BreakOutcome::not_holder);
  EXPECT_NO_THROW(held.ensure_held());
}

TEST_F(Breaking, NeverTakesAForeignLock) {
  server_.command({"SET", "a", "somebody"});
  EXPECT_EQ(break_lock(client_, "a", 0, 10s), BreakOutcome::not_holder);
  EXPECT_EQ(server_.command({"GET", "a"}), "somebody");
}

TEST_F(Breaking, TellsAPassedOnLockFromTheHolderBefore) {
  Client holder{server_.unix_url()};
  // From thread to thread of one client the lock passes unseen by the server; but the second must
  // stand in line by then, which nothing shows: give it longer each time until it does.
  for (auto pause = 1ms;; pause *= 2) {
    ASSERT_LT(pause, 5s);
    std::optional<DistributedLock> first{std::in_place, holder, "a"};
    const auto before = first->fence();
    std::promise<std::int64_t> fence;
    std::promise<void> over;
    std::jthread thread{[&] {
      const DistributedLock second{holder, "a", {.ttl = 30s}};
      fence.set_value(second.fence());
      over.get_future().wait();
      EXPECT_EQ(second.held(), second.fence() == before + 1);
    }};
    std::this_thread::sleep_for(pause);
    first.reset();
    const auto after = fence.get_future().get();
    if (after == before + 1) {
      EXPECT_EQ(break_lock(client_, "a", before, 10s), BreakOutcome::not_holder);
    } else {
      EXPECT_EQ(break_lock(client_, "a", after, 10s), BreakOutcome::broken);
    }
    over.set_value();
    if (after == before + 1) break;
  }
}

TEST_F(Breaking, GoesByTheRecordWhenTheHolderIsDead) {
  const std::string token = "dlock1:0123456789abcdef:0123456789abcdef0123456789abcdef:3000";
  server_.command({"SET", "a", token + ":100:2", "PX", "600000"});
  EXPECT_EQ(inspect_lock(client_, "a").fence, 100 * 64 + 2);
  EXPECT_EQ(break_lock(client_, "a", 100 * 64 + 1, 10s), BreakOutcome::not_holder);
  EXPECT_EQ(break_lock(client_, "a", 100 * 64 + 2, 10s), BreakOutcome::broken);
  EXPECT_FALSE(inspect_lock(client_, "a").held);
}

TEST_F(Breaking, WithoutAFenceItTakesTheLockFromADeadHolderThatNeverRecordedOne) {
  const std::string token = "dlock1:0123456789abcdef:0123456789abcdef0123456789abcdef:3000";
  server_.command({"SET", "a", token, "PX", "600000"});
  EXPECT_EQ(break_lock(client_, "a", 100 * 64, 20ms), BreakOutcome::not_holder);
  EXPECT_EQ(server_.command({"GET", "a"}), token);
  const Waiter waiter{server_, "a"};
  ASSERT_TRUE(eventually([&] { return list_locks(client_).at(0).waiters.size() == 1; }));
  EXPECT_EQ(break_lock(client_, "a", 0, 20ms), BreakOutcome::broken);
  EXPECT_TRUE(eventually([&] { return waiter.has_it(); }));
  EXPECT_EQ(break_lock(client_, "a", 0, 20ms), BreakOutcome::not_holder) << "another has it now";
}

TEST_F(Breaking, WithoutAFenceItSparesAHolderThatRecordsOneWhenAsked) {
  Client holder{server_.unix_url()};
  const DistributedLock held{holder, "a", {.ttl = 30s}};
  EXPECT_EQ(break_lock(client_, "a", 0, 10s), BreakOutcome::not_holder);
  EXPECT_EQ(inspect_lock(client_, "a").fence, held.fence());
  EXPECT_NO_THROW(held.ensure_held());
}

TEST_F(Breaking, TakesTheLockFromAHolderThatDoesNotAnswer) {
  // A subscriber that hears the question and does nothing.
  const std::string client = "0123456789abcdef";
  const std::string token = "dlock1:" + client + ":0123456789abcdef0123456789abcdef:3000";
  server_.command({"SET", "a", token + ":100:0", "PX", "600000"});
  const auto deaf = redis::Connection::open({redis::parse_url(server_.unix_url()), "deaf", 10s});
  const auto subscribed = deaf->call({"SSUBSCRIBE", core::channel_of(client)}, 10s);
  ASSERT_NE(subscribed.kind, redis::ReplyView::Kind::error);
  EXPECT_EQ(break_lock(client_, "a", 100 * 64, 20ms), BreakOutcome::broken);
  EXPECT_EQ(server_.command({"GET", "a"}), "(nil)");
}

}  // namespace
}  // namespace dlock
