// The scripts of barriers by example.
#include "script/fixture.hpp"
#include "script/scripts.hpp"

namespace dlock::test {

namespace {

class BarrierScripts : public ScriptTest {
 protected:
  std::string arrive(const std::string& token, const std::string& ticket = "", int parties = 3,
                     std::string_view mode = "wait", const std::string& part = "") {
    return words(store.at_gate(
        script::barrier, lock,
        {token, "1000", std::string{mode}, ticket, "", std::to_string(parties), part}));
  }
  /// Takes part `number` for this time.
  std::string part(int number, Millis ttl = 30s) {
    const auto token = make_token(700, number, "3000:1");
    store.take_permits({.key = Store::parts_key(lock), .token = token, .ttl = ttl, .capacity = 3});
    EXPECT_THAT(arrive(make_token(701, number), "", 3, "join", token), StartsWith("acquired "));
    return token;
  }
  void let_go(const std::string& part) { store.release_permits(Store::parts_key(lock), part); }
  /// Expects to wait. Returns the phase.
  std::string arrives(const std::string& token) {
    const auto reply = arrive(token);
    EXPECT_THAT(reply, StartsWith("queued -1 0 "));
    return word(reply, 3);
  }
  std::string reset(const std::string& token) { return arrive(token, "", 3, "reset"); }
  std::string leave(const std::string& token) {
    return words(store.at_gate(script::barrier_leave, lock, {token}));
  }
  std::string now() { return std::to_string(store.clock().now().count()); }

 private:
  static std::string words(const std::string& reply) {
    return reply.starts_with('-') ? reply : reply.substr(reply.find(' ') + 1);
  }
};

TEST_F(BarrierScripts, TheLastToArriveLetsAllThrough) {
  const auto phase = arrives(waiter(1));
  EXPECT_EQ(phase, now());
  EXPECT_EQ(arrives(waiter(2)), phase);
  pass(1s);
  EXPECT_EQ(arrive(waiter(3)), "acquired " + phase);
  for (const int client : {1, 2}) {
    EXPECT_THAT(ear(client).take(),
                ElementsAre("grant " + waiter(client) + ' ' + phase + ' ' + now()));
    EXPECT_EQ(arrive(waiter(client), phase), "acquired " + phase) << "also without the message";
  }
  EXPECT_THAT(ear(3).take(), IsEmpty());
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(BarrierScripts, APartThatEndsBreaksItThoughItHadNotArrived) {
  part(1, 5s);
  part(2);
  const auto phase = arrives(waiter(2));
  pass(5s);
  EXPECT_EQ(arrive(waiter(2), phase), "broken");
  EXPECT_EQ(arrive(waiter(3)), "broken");
  reset(waiter(4));
  EXPECT_EQ(store.command({"HGET", lock, "parts"}), "1");
  arrives(waiter(5));
}

TEST_F(BarrierScripts, APartThatLeavesBreaksNothing) {
  const auto one = part(1);
  const auto two = part(2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(arrive(waiter(5), "", 3, "leave", one), StartsWith("acquired "));
  }
  let_go(one);
  const auto phase = arrives(waiter(2));
  EXPECT_THAT(arrive(waiter(2), phase), StartsWith("queued "));
  let_go(two);
  EXPECT_EQ(arrive(waiter(2), phase), "broken");
}

TEST_F(BarrierScripts, ARepeatDoesNotArriveTwice) {
  const auto phase = arrives(waiter(1));
  EXPECT_EQ(arrives(waiter(1)), phase);
  arrives(waiter(2));
  EXPECT_EQ(arrive(waiter(3)), "acquired " + phase);
  EXPECT_EQ(arrive(waiter(3)), "acquired " + phase) << "its reply was lost, and with it the phase";
  EXPECT_EQ(arrive(waiter(1)), "acquired " + phase);
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(BarrierScripts, ItClosesAgain) {
  const auto phase = std::stoll(arrives(waiter(1)));
  arrives(waiter(2));
  arrive(waiter(3));
  EXPECT_EQ(arrives(make_token(1, 1)), std::to_string(phase + 1));
  arrives(make_token(2, 1));
  EXPECT_EQ(arrive(make_token(3, 1)), "acquired " + std::to_string(phase + 1));
}

TEST_F(BarrierScripts, APartyNotHeardOfBreaksItForAll) {
  arrives(waiter(1));
  const auto phase = arrives(waiter(2));
  for (int i = 0; i < 3; ++i) {
    pass(5s);
    EXPECT_EQ(arrive(waiter(2), phase), "queued -1 0 " + phase + ' ' + now() + " ours");
  }
  pass(1us);
  EXPECT_EQ(arrive(waiter(2), phase), "broken");
  EXPECT_THAT(ear(1).take(), ElementsAre("next " + waiter(1) + " 0"));
  EXPECT_EQ(arrive(waiter(1), phase), "broken");
  EXPECT_EQ(arrive(waiter(3)), "broken") << "who comes later too";
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(BarrierScripts, TheOldestWaiterFindsOutAboutTheNext) {
  const auto phase = arrives(waiter(1));
  pass(49ms);
  arrives(waiter(2));
  pass(15s + 1us);
  EXPECT_EQ(arrive(waiter(1), phase), "broken");
  EXPECT_THAT(ear(2).take(), ElementsAre("next " + waiter(2) + " 0"));
}

TEST_F(BarrierScripts, AnArrivalFindsOutAsWell) {
  arrives(waiter(1));
  pass(60s);
  EXPECT_EQ(arrive(waiter(2)), "broken");
}

TEST_F(BarrierScripts, AWaiterThatGivesUpBreaksIt) {
  const auto phase = arrives(waiter(1));
  arrives(waiter(2));
  EXPECT_EQ(leave(waiter(1)), "released");
  EXPECT_EQ(leave(waiter(1)), "not_held");
  EXPECT_THAT(ear(1).take(), IsEmpty());
  EXPECT_THAT(ear(2).take(), ElementsAre("next " + waiter(2) + " 0"));
  EXPECT_EQ(arrive(waiter(2), phase), "broken");
}

TEST_F(BarrierScripts, ALateLeaveBreaksNothing) {
  const auto phase = arrives(waiter(1));
  arrives(waiter(2));
  arrive(waiter(3));
  EXPECT_EQ(leave(waiter(1)), "not_held");
  EXPECT_EQ(arrive(waiter(2), phase), "acquired " + phase);
}

TEST_F(BarrierScripts, AResetBeginsAPhaseAndBreaksThePresentOne) {
  const auto phase = arrives(waiter(1));
  const auto next = std::to_string(std::stoll(phase) + 1);
  EXPECT_EQ(reset(make_token(9, 0)), "acquired " + next);
  EXPECT_THAT(ear(1).take(), ElementsAre("next " + waiter(1) + " 0"));
  EXPECT_EQ(arrives(waiter(2)), next);
  EXPECT_EQ(reset(make_token(9, 0)), "acquired " + next) << "a repeat resets nothing";
  EXPECT_EQ(arrive(waiter(1), phase), "broken");
  arrives(make_token(1, 1));
  EXPECT_EQ(arrive(waiter(3)), "acquired " + next);
}

TEST_F(BarrierScripts, MoreThan64AreToldOneCallAfterTheOther) {
  for (int number = 0; number < 64; ++number) arrive(dead_waiter(number), "", 67);
  pass(1us);
  arrive(waiter(1), "", 67);
  pass(1us);
  arrive(waiter(2), "", 67);
  const auto reply = arrive(waiter(3), "", 67);
  EXPECT_THAT(reply, StartsWith("acquired "));
  EXPECT_THAT(ear(1).take(), ElementsAre("next " + waiter(1) + " 0"));
  EXPECT_THAT(ear(2).take(), IsEmpty());
  EXPECT_EQ(arrive(waiter(1), word(reply, 1), 67), reply);
  EXPECT_THAT(ear(2).take(), ElementsAre(StartsWith("grant " + waiter(2))));
}

TEST_F(BarrierScripts, AnotherNumberOfPartiesIsRefused) {
  arrives(waiter(1));
  EXPECT_EQ(arrive(waiter(2), "", 4), "other 3");
}

TEST_F(BarrierScripts, AWaiterAtALostBarrierIsToldAndNotLetThrough) {
  const auto phase = arrives(waiter(1));
  store.command({"DEL", lock});
  EXPECT_EQ(arrive(waiter(1), phase), "broken");
  pass(1s);
  arrives(waiter(2));
  EXPECT_EQ(arrive(waiter(1), phase), "broken") << "not those of the new one";
  EXPECT_THAT(waiting(), ElementsAre(waiter(2)));
}

TEST_F(BarrierScripts, AllItsKeysExpire) {
  arrives(waiter(1));
  arrives(waiter(2));
  EXPECT_EQ(store.command({"PTTL", Store::queue_key(lock)}), "600000");
  arrive(waiter(3));
  pass(601s);
  EXPECT_EQ(store.command({"EXISTS", lock, Store::queue_key(lock), Store::seen_key(lock)}), "0");
}

}  // namespace
}  // namespace dlock::test
