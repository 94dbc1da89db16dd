// Looking at latches and barriers, by example.
#include "script/fixture.hpp"
#include "script/scripts.hpp"

namespace dlock::test {

namespace {

class GateInspection : public ScriptTest {
 protected:
  std::string look() { return store.at_gate(script::inspect_gate, lock, {}); }
  void at_latch(const std::string& token, std::string_view mode, const std::string& part = "") {
    store.at_gate(script::latch, lock,
                  {token, "1000", std::string{mode}, "", "", "3", "60000", "1", part});
  }
  void at_barrier(const std::string& token, std::string_view mode, const std::string& part = "") {
    store.at_gate(script::barrier, lock, {token, "1000", std::string{mode}, "", "", "3", part});
  }
  std::string take_part(int number, Millis ttl = 30s) {
    const auto token = make_token(700, number, "3000:1");
    store.take_permits({.key = Store::parts_key(lock), .token = token, .ttl = ttl, .capacity = 3});
    return token;
  }
  std::string now() { return std::to_string(store.clock().now().count()); }
};

TEST_F(GateInspection, AMissingGateIsNil) { EXPECT_EQ(look(), "(nil)"); }

TEST_F(GateInspection, ALatchShowsWhatIsLeftWhoJoinedAndWhoWaits) {
  const auto part = take_part(1);
  at_latch(waiter(5), "join", part);
  at_latch(waiter(1), "count");
  const auto first = now();
  at_latch(waiter(2), "wait");
  pass(1s);
  at_latch(waiter(3), "wait");
  EXPECT_EQ(look(), now() + " 3 2 0 " + part + ' ' + waiter(2) + ' ' + first + ' ' + waiter(3) +
                        ' ' + now());
}

TEST_F(GateInspection, ALatchIsBrokenWhileAPartIsMissingButNotAtZero) {
  at_latch(waiter(5), "join", take_part(1, 5s));
  pass(5s);
  EXPECT_EQ(look(), now() + " 3 3 1 ");
  for (int i = 0; i < 3; ++i) at_latch(waiter(i), "count");
  EXPECT_EQ(look(), now() + " 3 0 0 ");
}

TEST_F(GateInspection, ADeadWaiterAtALatchIsNotShown) {
  at_latch(waiter(1), "wait");
  pass(15s + 1us);
  EXPECT_EQ(look(), now() + " 3 3 0 ");
}

TEST_F(GateInspection, ABarrierShowsWhoArrivedAndWhenTheyWereLastHeardOf) {
  const auto phase = now();
  at_barrier(waiter(1), "wait");
  pass(2s);
  at_barrier(waiter(1), "wait");
  EXPECT_EQ(look(), now() + " 3 " + phase + " 0  " + waiter(1) + ' ' + now());
}

TEST_F(GateInspection, ABarrierIsBrokenFromTheTimeOnThatItsPartiesWouldFindOut) {
  const auto phase = now();
  const auto found = [&](const std::string& rest) { return now() + " 3 " + phase + rest; };
  at_barrier(waiter(1), "wait");
  pass(15s);
  EXPECT_EQ(look(), found(" 0  " + waiter(1) + ' ' + phase));
  pass(1us);
  EXPECT_EQ(look(), found(" 1  " + waiter(1) + ' ' + phase)) << "who is dead is shown";
  at_barrier(waiter(2), "wait");
  EXPECT_EQ(look(), found(" 1 ")) << "nobody waits at it";
}

TEST_F(GateInspection, ABarrierIsBrokenWhenAPartIsMissing) {
  const auto part = take_part(1);
  at_barrier(waiter(1), "join", part);
  EXPECT_THAT(look(), HasSubstr(" 0 " + part));
  store.release_permits(Store::parts_key(lock), part);
  EXPECT_THAT(look(), HasSubstr(" 1 "));
  at_barrier(waiter(2), "reset");
  EXPECT_THAT(look(), HasSubstr(" 0 "));
}

TEST_F(GateInspection, ManyWaitersAreShown) {
  for (int number = 0; number < 9000; ++number) at_latch(dead_waiter(number), "wait");
  EXPECT_THAT(look(), HasSubstr(dead_waiter(8999)));
}

}  // namespace
}  // namespace dlock::test
