// Engine: giving the lock up and queueing for it again, in one script.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

/// Waiter 1 has held so long that it must yield; waiter 2 is the next one here.
class EngineYield : public testing::Test {
 protected:
  EngineYield() {
    script.at(0ms).obtain(1);
    script.acquire(2);
    script.at(1s).release(1);
    script.expect({"acquire job T2 30000 giving up T1"});
  }
  EngineScript script;
};

TEST_F(EngineYield, TheReplyAnswersTheReleaseAndTheWaiterStaysInTheQueue) {
  script.at(1001ms).reply(EngineScript::queued("T2") + " released");
  script.expect({"1 released"});
  script.at(1500ms).message("grant T2 9 1400000");
  script.expect({"2 obtained 9.0"});
}

TEST_F(EngineYield, WithNobodyElseInTheQueueTheNextWaiterHereHasItAtOnce) {
  script.at(1001ms).reply("T2 acquired 9 released");
  script.expect({"1 released", "2 obtained 9.0"});
}

TEST_F(EngineYield, ALockThatWasLostIsReportedAsNotHeld) {
  script.at(1001ms).reply(EngineScript::queued("T2") + " not_held");
  script.expect({"1 not held"});
}

TEST_F(EngineYield, IfTheConnectionIsLostTheReleaseIsRepeatedAlone) {
  script.at(1001ms).on_disconnected();
  script.expect({"connect"});
  script.at(1002ms).on_connected(true);
  script.expect({"subscribe", "enroll", "release job T1", "acquire job T2 30000"});
  script.reply("OK");
  script.reply("OK");
  script.reply("T1 not_held");  // it had been carried out
  script.expect({"1 released"});
}

TEST_F(EngineYield, IfTheNextWaiterLeavesTheReleaseIsStillAnswered) {
  script.at(1001ms).cancel(2);
  script.expect({"2 cancelled", "release job T2"});
  script.reply(EngineScript::queued("T2") + " released");
  script.expect({"1 released"});
  script.reply("T2 not_held");
  script.expect_idle();
}

TEST_F(EngineYield, IfTheNextWaiterLeavesAndTheLockWasTakenForItThatIsReturned) {
  script.at(1001ms).cancel(2);
  script.expect({"2 cancelled", "release job T2"});
  script.reply("T2 acquired 9 not_held");
  script.expect({"1 not held"});
  script.reply("T2 released");
  script.expect_idle();
}

TEST_F(EngineYield, WithoutAnAnswerInTimeTheReleaseIsUnknown) {
  script.at(3s).timer();
  script.expect({"1 released or not", "unanswered", "disconnect", "connect"});
}

TEST_F(EngineYield, AGrantToTheNewTokenMayComeBeforeTheReply) {
  // It cannot be believed before a reply of this connection; the reply that is due tells.
  script.at(1001ms).message("grant T2 9 1400000");
  script.expect({});
  script.reply("T2 acquired 9 released");
  script.expect({"1 released", "2 obtained 9.0"});
}

}  // namespace
}  // namespace dlock::core
