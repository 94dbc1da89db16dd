// Engine: a lease broken by somebody else, by its fence.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineBreak, TheHolderLosesTheLeaseAndGivesTheLockBack) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).message("break T1 5 0");
  script.expect({"renew job T1 30000 .0"});
  EXPECT_EQ(script.leases.at(1)->loss.load(), Loss::none);
  script.reply("T1 b");
  script.expect({"release job T1", "1 lost: broken"});
  script.reply("T1 released");
  script.release(1);
  script.expect({"1 not held"});
  script.expect_idle();
}

TEST(EngineBreak, TheNextWaiterHereAsksBehindTheRelease) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(1s).message("break T1 5 0");
  script.take();
  script.reply("T1 b");
  script.expect({"release job T1", "1 lost: broken", "acquire job T2 30000"});
}

TEST(EngineBreak, AnotherFenceBreaksNothing) {
  EngineScript script;
  script.at(0ms).obtain(1);
  for (const auto* text : {"break T1 4 0", "break T1 6 0", "break T1 5", "break T1 x 0"}) {
    script.at(1s).message(text);
    script.expect({});
  }
  EXPECT_EQ(script.leases.at(1)->loss.load(), Loss::none);
}

TEST(EngineBreak, ALeaseThatWasPassedOnIsRecordedAtOnceForTheOneWhoAsks) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(10ms).release(1);
  script.expect({"2 obtained 5.1", "1 released"});
  script.at(20ms).message("break T1 5 0");
  script.expect({"renew job T1 30000 .1"});
  EXPECT_EQ(script.leases.at(2)->loss.load(), Loss::none);
}

TEST(EngineBreak, TheHolderOfThenCanBeBroken) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(10ms).release(1);
  script.at(20ms).message("break T1 5 1");
  script.expect({"2 obtained 5.1", "1 released", "renew job T1 30000 .1"});
  script.reply("T1 b");
  script.expect({"release job T1", "2 lost: broken"});
}

TEST(EngineBreak, ALeaseThatIsNotRenewedIsBrokenAndElseGetsNoLonger) {
  EngineScript script;
  script.at(0ms).obtain(1, {.key = "job", .renew = false});
  const auto end = script.leases.at(1)->end();
  script.at(10s).message("break T1 5 0");
  script.expect({"renew job T1 19698 .0"});
  script.reply("T1 k");
  script.expect({});
  EXPECT_EQ(script.leases.at(1)->end(), end);
  script.message("break T1 5 0");
  script.take();
  script.reply("T1 b");
  script.expect({"release job T1", "1 lost: broken"});
}

TEST(EngineBreak, ALeasePassedOnAfterTheRequestIsNotBroken) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.acquire(2);
  script.at(10ms).message("break T1 5 0");
  script.expect({"renew job T1 30000 .0"});
  script.release(1);
  script.take();
  script.reply("T1 b");
  script.expect({"renew job T1 30000 .1"});
  EXPECT_EQ(script.leases.at(2)->loss.load(), Loss::none);
}

TEST(EngineBreak, ARenewalFindsItTooWithoutTheMessage) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.reply("T1 b");
  script.expect({"release job T1", "1 lost: broken"});
}

}  // namespace
}  // namespace dlock::core
