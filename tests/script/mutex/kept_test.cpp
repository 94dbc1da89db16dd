// The scripts by example: a release that keeps others out for a while.
#include "script/fixture.hpp"

namespace dlock::test {

namespace {

class KeptScripts : public ScriptTest {
 protected:
  const std::string owner = make_token(100, 0);
  const std::string other = make_token(101, 0);

  std::string release_kept(const std::string& token, Millis keep) {
    const auto reply = store.release(lock, token, keep);
    return reply.substr(reply.find(' ') + 1);
  }
};

TEST_F(KeptScripts, TheLockStaysTakenUntilThen) {
  hold(owner, 60s);
  EXPECT_EQ(release_kept(owner, 10s), "released");
  EXPECT_EQ(holder(), owner);
  EXPECT_EQ(try_acquire(other), "busy 10000");
  pass(10s + 1ms);
  hold(other);
}

TEST_F(KeptScripts, ItIsNeverKeptLongerThanItWouldBe) {
  hold(owner, 10s);
  EXPECT_EQ(release_kept(owner, 60s), "released");
  EXPECT_EQ(state().pttl, 10000);
}

TEST_F(KeptScripts, ARepeatCanOnlyShorten) {
  hold(owner, 60s);
  release_kept(owner, 10s);
  pass(1s);
  EXPECT_EQ(release_kept(owner, 9s), "released");
  EXPECT_EQ(state().pttl, 9000);
  EXPECT_EQ(release_kept(owner, 20s), "released");
  EXPECT_EQ(state().pttl, 9000);
  EXPECT_EQ(release(owner), "released");
  EXPECT_EQ(holder(), "nobody");
}

TEST_F(KeptScripts, OnlyTheHoldersTokenKeepsIt) {
  hold(owner, 60s);
  EXPECT_EQ(release_kept(other, 1s), "not_held");
  EXPECT_EQ(state().pttl, 60000);
}

TEST_F(KeptScripts, TheNextInLineGetsItWhenTheTimeIsOver) {
  hold(owner, 60s);
  const auto next = waiter(1);
  queue(next);
  release_kept(owner, 10s);
  EXPECT_THAT(ear(1).take(), IsEmpty());
  EXPECT_THAT(waiting(), ElementsAre(next));
  pass(10s + 1ms);
  EXPECT_EQ(try_acquire(other).substr(0, 5), "busy ");
  EXPECT_EQ(holder(), next);
}

TEST_F(KeptScripts, TheNextInLineIsToldWhenItEndsBeforeItLooksAgain) {
  hold(owner, 60s);
  queue(waiter(1));
  release_kept(owner, 2499ms);
  EXPECT_THAT(ear(1).take(), ElementsAre("next " + waiter(1) + " 2499"));
}

}  // namespace

}  // namespace dlock::test
