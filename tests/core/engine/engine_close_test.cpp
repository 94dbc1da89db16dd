// Engine: the end of a client.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineClose, AllWaitsEndAndAreWithdrawn) {
  EngineScript script;
  script.at(0ms).queue(1, {.key = "a"});
  script.queue(2, {.key = "b"});
  script.acquire(3, {.key = "b"});
  script.close();
  script.expect({"1 cancelled", "release a T1", "2 cancelled", "3 cancelled", "release b T2"});
  EXPECT_FALSE(script.engine.settled());
  script.reply("T1 not_held");
  script.reply("T2 not_held");
  EXPECT_TRUE(script.engine.settled());
  script.expect_idle();
}

TEST(EngineClose, LeasesGoOnUntilTheyAreReleased) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.close();
  script.expect({});
  script.at(10s).timer();
  script.reply("T1 k");
  script.expect({"renew job T1 30000 .0"});
  script.at(11s).release(1);
  script.reply("T1 released");
  script.expect({"release job T1", "1 released"});
  script.expect_idle();
}

TEST(EngineClose, NobodyCanWaitAnyMore) {
  EngineScript script;
  script.close();
  script.acquire(1);
  script.expect({"1 cancelled"});
  script.expect_idle();
}

TEST(EngineClose, TheRegistrationIsWithdrawnOnceIfTheServerIsThere) {
  EngineScript script;
  script.withdraw();
  script.expect({"withdraw"});
  script.reply("1");
  script.withdraw();
  script.expect({});
}

TEST(EngineClose, NoRegistrationIsWithdrawnWithoutAConnection) {
  EngineScript script;
  script.on_disconnected();
  script.withdraw();
  script.expect({});
}

}  // namespace
}  // namespace dlock::core
