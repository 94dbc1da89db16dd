// The script that takes many locks at once, by example.
#include "script/fixture.hpp"

namespace dlock::test {

namespace {

class AcquireAllScript : public ScriptTest {
 protected:
  const std::string first = make_token(100, 0);
  const std::string second = make_token(100, 1);

  std::string acquire_both(Millis ttl = 30s) {
    return store.acquire_all(
        {{.key = "other", .token = first, .ttl = ttl}, {.key = lock, .token = second, .ttl = ttl}});
  }
};

TEST_F(AcquireAllScript, TakesAllWithAFenceForEach) {
  const auto now = store.clock().now().count();
  EXPECT_EQ(acquire_both(10s), first.substr(24, 8) + " acquired " + std::to_string(now) + ' ' +
                                   std::to_string(now + 1));
  EXPECT_EQ(store.state("other").value, first + ':' + std::to_string(now) + ":0");
  EXPECT_EQ(holder(), second);
  EXPECT_EQ(state().pttl, 10000);
}

TEST_F(AcquireAllScript, ARepeatSetsTheFullExpiriesAgainAndKeepsTheFences) {
  const auto reply = acquire_both(10s);
  pass(5s);
  EXPECT_EQ(acquire_both(10s), reply);
  EXPECT_EQ(state().pttl, 10000);
  EXPECT_EQ(store.state("other").pttl, 10000);
}

TEST_F(AcquireAllScript, IfOneIsHeldItTakesNone) {
  hold(make_token(101, 0), 10s);
  EXPECT_THAT(acquire_both(), testing::EndsWith(" busy 10000"));
  EXPECT_EQ(store.state("other").value, "(nil)");
}

TEST_F(AcquireAllScript, AFreeLockWithAWaiterGoesToTheWaiter) {
  hold(make_token(101, 0));
  queue(waiter(1));
  store.command({"DEL", lock});
  EXPECT_THAT(acquire_both(), testing::EndsWith(" busy 3000"));
  EXPECT_EQ(holder(), waiter(1));
  EXPECT_EQ(store.state("other").value, "(nil)");
}

TEST_F(AcquireAllScript, ALockWithOnlyDeadWaitersIsTaken) {
  hold(make_token(101, 0));
  queue(dead_waiter(1));
  store.command({"DEL", lock});
  acquire_both();
  EXPECT_EQ(holder(), second);
}

}  // namespace

}  // namespace dlock::test
