// The scripts of condition variables by example.
#include "script/fixture.hpp"
#include "script/scripts.hpp"

namespace dlock::test {

namespace {

class ConditionScripts : public ScriptTest {
 protected:
  std::string at_condition(const std::string& token, std::string_view mode,
                           const std::string& ticket = "", const std::string& most = "",
                           const std::string& latest = "") {
    return words(store.at_gate(script::condition, lock,
                               {token, "1000", std::string{mode}, ticket, "", most, latest}));
  }
  /// Returns the ticket.
  std::string enter(const std::string& token) {
    const auto reply = at_condition(token, "enter");
    EXPECT_THAT(reply, StartsWith("acquired "));
    return word(reply, 1);
  }
  std::string notify(const std::string& most, const std::string& latest = "") {
    return at_condition(make_token(50, 0), "notify", "", most, latest);
  }
  std::string leave(const std::string& token) {
    return words(store.at_gate(script::condition_leave, lock, {token}));
  }
  std::string now() { return std::to_string(store.clock().now().count()); }

  const std::string woken = "acquired 0";

 private:
  static std::string words(const std::string& reply) {
    return reply.starts_with('-') ? reply : reply.substr(reply.find(' ') + 1);
  }
};

TEST_F(ConditionScripts, AWaiterWaitsUntilItIsNotified) {
  const auto token = waiter(1);
  const auto ticket = enter(token);
  EXPECT_EQ(ticket, now());
  pass(1s);
  EXPECT_EQ(at_condition(token, "wait", ticket), "queued -1 0 " + ticket + ' ' + now() + " ours");
  EXPECT_EQ(enter(token), ticket) << "a repeat keeps the place";
  EXPECT_EQ(notify("1"), woken);
  EXPECT_THAT(ear(1).take(), ElementsAre("grant " + token + " 0 " + now()));
  EXPECT_EQ(at_condition(token, "wait", ticket), woken) << "also without the message";
  EXPECT_EQ(store.command({"KEYS", "*"}), "");
}

TEST_F(ConditionScripts, OneIsTheOldest) {
  const auto first = waiter(1);
  const auto second = waiter(2);
  enter(first);
  pass(1us);
  enter(second);
  notify("1");
  EXPECT_THAT(waiting(), ElementsAre(second));
  EXPECT_THAT(ear(2).take(), IsEmpty());
}

TEST_F(ConditionScripts, ADeadWaiterIsSkipped) {
  for (int number = 0; number < 10; ++number) enter(dead_waiter(number));
  pass(1us);
  const auto token = waiter(1);
  enter(token);
  pass(1us);
  const auto next = waiter(2);
  enter(next);
  EXPECT_EQ(notify("1"), woken);
  EXPECT_THAT(waiting(), ElementsAre(next));
  EXPECT_THAT(ear(1).take(), ElementsAre(StartsWith("grant " + token)));
}

TEST_F(ConditionScripts, AWaiterThatWasSilentForLongIsDead) {
  const auto silent = waiter(1);
  enter(silent);
  const auto token = waiter(2);
  const auto ticket = enter(token);
  for (int i = 0; i < 4; ++i) {
    pass(5s);
    EXPECT_THAT(at_condition(token, "wait", ticket), StartsWith("queued "));
  }
  EXPECT_EQ(notify("1"), woken);
  EXPECT_THAT(ear(1).take(), IsEmpty());
  EXPECT_THAT(ear(2).take(), ElementsAre(StartsWith("grant " + token)));
  EXPECT_EQ(store.command({"KEYS", "*"}), "");
}

TEST_F(ConditionScripts, MoreThan64TakeSeveralCallsWhichLeaveLaterWaiters) {
  for (int number = 0; number < 70; ++number) enter(dead_waiter(number));
  const auto latest = now();
  const auto token = waiter(1);
  enter(token);
  const auto begin = notify("all");
  EXPECT_EQ(begin, "acquired " + latest);
  EXPECT_THAT(waiting(), SizeIs(7));
  pass(1us);
  const auto late = waiter(2);
  enter(late);
  EXPECT_EQ(notify("all", latest), woken);
  EXPECT_THAT(waiting(), ElementsAre(late));
  EXPECT_THAT(ear(1).take(), ElementsAre(StartsWith("grant " + token)));
}

TEST_F(ConditionScripts, ALiveWaiterBehind64DeadOnesIsWoken) {
  for (int number = 0; number < 64; ++number) enter(dead_waiter(number));
  pass(1us);
  const auto latest = now();
  enter(waiter(1));
  EXPECT_EQ(notify("1"), "acquired " + latest);
  EXPECT_EQ(notify("1", latest), woken);
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(ConditionScripts, AWaiterThatLeftIsNotWoken) {
  const auto token = waiter(1);
  enter(token);
  EXPECT_EQ(leave(token), "released");
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(ConditionScripts, AWaiterThatLeavesAfterItsNotificationPassesItOn) {
  const auto token = waiter(1);
  enter(token);
  pass(1us);
  const auto next = waiter(2);
  enter(next);
  notify("1");
  EXPECT_EQ(leave(token), "not_held");
  EXPECT_THAT(ear(2).take(), ElementsAre(StartsWith("grant " + next)));
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(ConditionScripts, WithoutTheRightToPublishAWaiterLearnsByLookingAgain) {
  const auto token = waiter(1);
  const auto ticket = enter(token);
  enter(dead_waiter(1));
  store.allow_publish(false);
  EXPECT_EQ(notify("1"), woken);
  EXPECT_EQ(at_condition(token, "wait", ticket), woken);
  EXPECT_THAT(waiting(), SizeIs(1));
}

TEST_F(ConditionScripts, AQueueThatWasAbandonedGoesAway) {
  const auto token = waiter(1);
  const auto ticket = enter(token);
  pass(5s);
  at_condition(token, "wait", ticket);
  EXPECT_EQ(store.command({"PTTL", Store::queue_key(lock)}), "20000");
  EXPECT_EQ(store.command({"PTTL", Store::seen_key(lock)}), "20000");
}

}  // namespace
}  // namespace dlock::test
