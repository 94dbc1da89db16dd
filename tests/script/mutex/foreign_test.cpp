// The scripts by example: clients of other libraries, which hold by SET NX and do not queue.
#include "script/fixture.hpp"

namespace dlock::test {

namespace {

class Foreign : public ScriptTest {
 protected:
  const std::string owner = make_token(100, 0);
  const std::string first = waiter(1);
  const std::string second = waiter(2);

  std::string foreign_acquire() { return store.command({"SET", lock, "foreign", "NX"}); }

  /// A foreign holder came and went while `first` waited, and `owner` has the lock since.
  void seen_before() {
    foreign_acquire();
    queue(first);
    store.command({"DEL", lock});
    hold(first);
    pass(1ms);
    queue(second);
  }
};

TEST_F(Foreign, HolderExcludesUsAndIsWaitedFor) {
  store.command({"SET", lock, "foreign", "PX", "5000"});
  EXPECT_EQ(try_acquire(second), "busy 5000");
  EXPECT_THAT(acquire(first), StartsWith("queued 5000 0 "));
  EXPECT_THAT(acquire(first), testing::EndsWith(" foreign"));
  EXPECT_EQ(release(owner), "not_held");
  EXPECT_EQ(renew(owner, 30s), "echo t");
  EXPECT_EQ(store.break_(lock, 1, 0, false), "not_holder");
  EXPECT_EQ(holder(), "foreign");
  pass(5001ms);
  EXPECT_THAT(acquire(first), StartsWith("acquired "));
}

TEST_F(Foreign, HolderWithoutExpiryIsTold) {
  foreign_acquire();
  EXPECT_EQ(try_acquire(second), "busy -1");
  EXPECT_THAT(acquire(first), StartsWith("queued -1 0 "));
}

TEST_F(Foreign, HolderIsWaitedForByAFirstWaiterAlsoWhenTheFormerOneHasLeft) {
  foreign_acquire();
  queue(first);
  pass(1ms);
  EXPECT_THAT(acquire(second), StartsWith("queued -1 1 "));
  release(first);
  EXPECT_THAT(acquire(second), StartsWith("queued -1 0 "));
}

TEST_F(Foreign, ClientIsExcludedByUs) {
  hold(owner);
  EXPECT_EQ(foreign_acquire(), "(nil)");
  queue(first);
  release(owner);
  EXPECT_EQ(foreign_acquire(), "(nil)");
}

TEST_F(Foreign, ClientsGetATurnAfterOneWasSeen) {
  seen_before();
  EXPECT_EQ(release(first), "released");
  EXPECT_EQ(holder(), "nobody");
  EXPECT_THAT(ear(2).take(), ElementsAre("next " + second + " 150"));
  pass(50ms);
  EXPECT_THAT(acquire(second), StartsWith("queued 100 "));
  EXPECT_EQ(try_acquire(owner), "busy 100");
  EXPECT_EQ(foreign_acquire(), "OK");
}

TEST_F(Foreign, ClientsThatDoNotUseTheirTurnLoseIt) {
  seen_before();
  release(first);
  pass(150ms);
  EXPECT_THAT(acquire(owner), StartsWith("queued 3000 "));
  EXPECT_EQ(holder(), second);
  EXPECT_THAT(waiting(), ElementsAre(owner));
}

TEST_F(Foreign, ClientsThatUseTheirTurnGetAnother) {
  seen_before();
  release(first);
  EXPECT_EQ(foreign_acquire(), "OK");
  EXPECT_THAT(acquire(second), StartsWith("queued -1 0 "));
  store.command({"DEL", lock});
  hold(second);
  pass(1ms);
  queue(first);
  EXPECT_EQ(release(second), "released");
  EXPECT_EQ(holder(), "nobody");
  EXPECT_EQ(foreign_acquire(), "OK");
}

TEST_F(Foreign, ClientsGetTheirTurnAlsoFromAHolderThatMayNotPublish) {
  seen_before();
  store.allow_publish(false);
  EXPECT_EQ(release(first), "released");
  EXPECT_EQ(holder(), "nobody");
  EXPECT_EQ(foreign_acquire(), "OK");
}

TEST_F(Foreign, ClientsTurnIsNoLongerWhenTheClockStepsBackInIt) {
  seen_before();
  release(first);
  pass(-3600s);
  EXPECT_THAT(acquire(second), StartsWith("queued 150 "));
  pass(150ms);
  EXPECT_THAT(acquire(second), StartsWith("acquired "));
}

TEST_F(Foreign, ClientsGetTheirTurnAlsoFromAHolderThatYields) {
  seen_before();
  const auto next_of_first = make_token(1, 1);
  release(second);
  EXPECT_THAT(yield(first, next_of_first), StartsWith("queued 150 "));
  EXPECT_EQ(holder(), "nobody");
  EXPECT_EQ(foreign_acquire(), "OK");
  store.command({"DEL", lock});
  pass(150ms);
  EXPECT_THAT(acquire(next_of_first), StartsWith("acquired "));
}

TEST_F(Foreign, ClientsGetNoTurnWhenNobodyElseWaits) {
  seen_before();
  release(second);
  release(first);
  EXPECT_EQ(holder(), "nobody");
  EXPECT_THAT(waiting(), IsEmpty());
  hold(owner);
}

TEST_F(Foreign, ClientsTurnIsPassedOverWhenTheNextInLineIsTold) {
  const auto brief = make_token(1, 1, "1000");
  foreign_acquire();
  queue(brief);
  pass(1ms);
  queue(second);
  store.command({"DEL", lock});
  release(owner);
  EXPECT_EQ(holder(), brief);
  EXPECT_THAT(waiting(), ElementsAre("~", second));
  EXPECT_THAT(ear(2).take(), ElementsAre("next " + second + " 1000"));
}

}  // namespace

}  // namespace dlock::test
