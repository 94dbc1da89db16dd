// Engine: gates, which are passed and not held.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

/// A wait with the token and the ticket that waiter 1 got.
AcquireRequest with_ticket_of_first(const EngineScript& script) {
  auto wish = at_condition();
  Gate gate = *wish.gate;
  gate.token = script.leases.at(1)->token;
  gate.ticket = "77";
  wish.gate = std::make_shared<Gate>(std::move(gate));
  return wish;
}

/// Enters as waiter 1, and waits as waiter 2 with the token and the ticket that it got.
void wait_at_condition(EngineScript& script) {
  script.acquire(1, at_condition("enter"));
  script.expect({"acquire job T1 15000 enter at a gate"});
  script.reply("T1 acquired 77");
  script.expect({"1 obtained 77.0"});
  script.acquire(2, with_ticket_of_first(script));
  script.expect({"acquire job T1 15000 ticket 77 at a gate"});
}

TEST(EngineGate, NothingIsHeldWhenItIsPassed) {
  EngineScript script;
  script.at(0ms).acquire(1, at_condition("enter"));
  script.reply("T1 acquired 77");
  script.expect({"acquire job T1 15000 enter at a gate", "1 obtained 77.0"});
  script.expect_idle();
}

TEST(EngineGate, AGrantIsAskedAboutHoweverOldItIs) {
  EngineScript script;
  wait_at_condition(script.at(0ms));
  script.reply("T1 queued -1 0 77 1000000 ours");
  script.expect({});
  script.at(1s).message("grant T1 0 5");
  script.expect({"acquire job T1 15000 ticket 77 at a gate"});
  script.reply("T1 acquired 0");
  script.expect({"2 obtained 0.0"});
  script.expect_idle();
}

TEST(EngineGate, AGrantBeforeTheFirstReplyIsLeftToThat) {
  EngineScript script;
  wait_at_condition(script.at(0ms));
  script.at(10ms).message("grant T1 0 1000000");
  script.expect({});
  script.reply("T1 acquired 0");
  script.expect({"2 obtained 0.0"});
  script.expect_idle();
}

TEST(EngineGate, AWaiterLooksAgain) {
  EngineScript script;
  wait_at_condition(script.at(0ms));
  script.reply("T1 queued -1 0 77 1000000 ours");
  script.at(2500ms).timer();
  script.expect({"acquire job T1 15000 ticket 77 at a gate"});
  script.reply("T1 acquired 0");
  script.expect({"2 obtained 0.0"});
}

TEST(EngineGate, AWaitThatIsCancelledLeavesTheQueueEvenBeforeItsFirstRequest) {
  EngineScript script;
  script.at(0ms).acquire(1, at_condition("enter"));
  script.reply("T1 acquired 77");
  script.on_disconnected();
  script.acquire(2, with_ticket_of_first(script));
  script.take();
  script.cancel(2);
  script.expect({"2 cancelled"});
  script.reopen({"release job T1 at a gate in full"});
}

TEST(EngineGate, ANewConnectionGoesOnWithTheTicket) {
  EngineScript script;
  wait_at_condition(script.at(0ms));
  script.reply("T1 queued -1 0 77 1000000 ours");
  script.at(1s).on_disconnected();
  script.take();
  script.reopen({"acquire job T1 15000 ticket 77 at a gate"});
}

TEST(EngineGate, ItsNumbersAreNoFences) {
  EngineScript script;
  wait_at_condition(script.at(0ms));
  script.reply("T1 acquired 0");
  script.take();
  script.obtain(3);
  script.release(3);
  script.take();
  script.acquire(4);
  script.expect({"acquire job T3 30000"});
  auto actions = script.engine.stats();
  EXPECT_EQ(actions.acquired, 1U);
}

}  // namespace
}  // namespace dlock::core
