// The scripts of latches by example.
#include "script/fixture.hpp"
#include "script/scripts.hpp"

namespace dlock::test {

namespace {

class LatchScripts : public ScriptTest {
 protected:
  std::string at_latch(const std::string& token, std::string_view mode, int count = 3,
                       const std::string& ticket = "", int n = 1, const std::string& part = "") {
    return words(store.at_gate(script::latch, lock,
                               {token, "1000", std::string{mode}, ticket, "", std::to_string(count),
                                "60000", std::to_string(n), part}));
  }
  /// Takes part `number` for this time.
  std::string part(int number, Millis ttl = 30s) {
    const auto token = make_token(700, number, "3000:1");
    store.take_permits({.key = Store::parts_key(lock), .token = token, .ttl = ttl, .capacity = 3});
    EXPECT_EQ(at_latch(make_token(701, number), "join", 3, "", 0, token), "acquired 3");
    return token;
  }
  void let_go(const std::string& part) { store.release_permits(Store::parts_key(lock), part); }
  std::string leave(const std::string& token) {
    return words(store.at_gate(script::latch_leave, lock, {token}));
  }
  std::string now() { return std::to_string(store.clock().now().count()); }

 private:
  static std::string words(const std::string& reply) {
    return reply.starts_with('-') ? reply : reply.substr(reply.find(' ') + 1);
  }
};

TEST_F(LatchScripts, AWaiterIsWokenAtZero) {
  const auto token = waiter(1);
  const auto ticket = now();
  EXPECT_EQ(at_latch(token, "wait"), "queued -1 0 " + ticket + ' ' + ticket + " ours");
  EXPECT_EQ(at_latch(waiter(2), "count", 3, "", 2), "acquired 1");
  EXPECT_THAT(ear(1).take(), IsEmpty());
  pass(1s);
  EXPECT_EQ(at_latch(token, "wait", 3, ticket), "queued -1 0 " + ticket + ' ' + now() + " ours");
  EXPECT_EQ(at_latch(waiter(3), "count"), "acquired 0");
  EXPECT_THAT(ear(1).take(), ElementsAre("grant " + token + " 0 " + now()));
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_EQ(at_latch(token, "wait", 3, ticket), "acquired 0") << "also without the message";
}

TEST_F(LatchScripts, ARepeatDoesNotCountTwice) {
  at_latch(waiter(1), "count");
  EXPECT_EQ(at_latch(waiter(1), "count"), "acquired 2");
  EXPECT_EQ(at_latch(waiter(2), "count", 3, "", 5), "acquired 0") << "and not below zero";
}

TEST_F(LatchScripts, ATryDoesNotQueue) {
  EXPECT_EQ(at_latch(waiter(1), "try"), "busy -1");
  EXPECT_THAT(waiting(), IsEmpty());
  at_latch(waiter(2), "count", 3, "", 3);
  EXPECT_EQ(at_latch(waiter(1), "try"), "acquired 0");
}

TEST_F(LatchScripts, AnotherCountIsRefused) {
  at_latch(waiter(1), "wait");
  EXPECT_EQ(at_latch(waiter(2), "count", 4), "other 3");
  EXPECT_EQ(at_latch(waiter(1), "wait", 4), "other 3");
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(LatchScripts, MoreThan64AreWokenOneCallAfterTheOther) {
  for (int number = 0; number < 64; ++number) at_latch(dead_waiter(number), "wait");
  pass(1us);
  const auto token = waiter(1);
  const auto ticket = now();
  at_latch(token, "wait");
  pass(1us);
  at_latch(waiter(2), "wait");
  at_latch(waiter(3), "count", 3, "", 3);
  EXPECT_THAT(ear(1).take(), ElementsAre("next " + token + " 0"));
  EXPECT_EQ(at_latch(token, "wait", 3, ticket), "acquired 0");
  EXPECT_THAT(ear(2).take(), SizeIs(1));
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(LatchScripts, AWaiterThatLeftIsNotWoken) {
  at_latch(waiter(1), "wait");
  at_latch(waiter(2), "wait");
  EXPECT_EQ(leave(waiter(1)), "released");
  EXPECT_EQ(leave(waiter(1)), "not_held");
  EXPECT_THAT(waiting(), ElementsAre(waiter(2)));
  EXPECT_THAT(ear(2).take(), IsEmpty()) << "it is not at zero";
}

TEST_F(LatchScripts, APartThatEndsWithoutBeingCountedBreaksIt) {
  const auto token = waiter(1);
  const auto ticket = now();
  part(1, 5s);
  EXPECT_THAT(at_latch(token, "wait"), StartsWith("queued"));
  pass(5s - 1us);
  EXPECT_THAT(at_latch(token, "wait", 3, ticket), StartsWith("queued"));
  EXPECT_EQ(at_latch(waiter(2), "try"), "busy -1");
  pass(1us);
  EXPECT_EQ(at_latch(waiter(2), "try"), "broken");
  EXPECT_EQ(at_latch(token, "wait", 3, ticket), "broken");
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_EQ(at_latch(waiter(3), "count", 3, "", 3), "acquired 0") << "somebody did its work";
  EXPECT_EQ(at_latch(waiter(2), "try"), "acquired 0");
}

TEST_F(LatchScripts, APartIsCountedOnceAndNotMissedThen) {
  const auto first = part(1);
  const auto second = part(2);
  EXPECT_EQ(at_latch(waiter(1), "count", 3, "", 1, first), "acquired 2");
  EXPECT_EQ(at_latch(waiter(1), "count", 3, "", 1, first), "acquired 2") << "a repeat";
  let_go(first);
  EXPECT_EQ(at_latch(waiter(1), "count", 3, "", 1, first), "acquired 2") << "a late one";
  EXPECT_EQ(at_latch(waiter(9), "try"), "busy -1");
  EXPECT_EQ(at_latch(waiter(2), "count", 3, "", 1, second), "acquired 1");
  let_go(second);
  EXPECT_EQ(at_latch(waiter(9), "try"), "busy -1");
}

TEST_F(LatchScripts, ToJoinCanBeRepeated) {
  const auto one = part(1);
  EXPECT_EQ(at_latch(make_token(702, 1), "join", 3, "", 0, one), "acquired 3");
  EXPECT_EQ(at_latch(waiter(9), "try"), "busy -1");
  EXPECT_EQ(store.command({"HGET", lock, "parts"}), "1");
}

TEST_F(LatchScripts, APartThatIsOverDoesNotCount) {
  const auto one = part(1);
  let_go(one);
  EXPECT_EQ(at_latch(waiter(1), "count", 3, "", 1, one), "broken");
  EXPECT_EQ(store.command({"HGET", lock, "left"}), "3");
}

TEST_F(LatchScripts, ItExpiresAndTellsAWaiterWithATicket) {
  at_latch(waiter(1), "wait");
  EXPECT_EQ(store.command({"PTTL", lock}), "60000");
  pass(50s);
  at_latch(waiter(2), "count");
  EXPECT_EQ(store.command({"PTTL", lock}), "60000");
  store.command({"DEL", lock});
  EXPECT_EQ(at_latch(waiter(1), "wait", 3, "5"), "broken");
}

}  // namespace
}  // namespace dlock::test
