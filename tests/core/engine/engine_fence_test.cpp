// Engine: when the fence counter may go on without a look at the server's clock.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class EngineFence : public testing::Test {
 protected:
  /// The recent counter in the acquire of `waiter`, which then obtains the lock with `counter`.
  std::string recent(WaiterId waiter, const std::string& counter) {
    script.acquire(waiter, {.key = "job" + std::to_string(waiter)});
    const auto actions = script.take();
    const auto& command = std::get<Send>(actions.at(0)).command;
    script.reply(std::string{echo_of(command.args[0])} + " acquired " + counter);
    script.take();
    return command.args.at(5);
  }

  EngineScript script;
};

TEST_F(EngineFence, ForASecondAfterAnAcquisitionTheNextNeedsNoLookAtTheClock) {
  script.at(0ms);
  EXPECT_EQ(recent(1, "1000"), "");
  script.at(500ms);
  EXPECT_EQ(recent(2, "1001"), "1000");
  script.at(999ms);
  EXPECT_EQ(recent(3, "1002"), "1001");
  script.at(1s);
  EXPECT_EQ(recent(4, "2000"), "") << "the one without a look does not count";
  script.at(1999ms);
  EXPECT_EQ(recent(5, "2001"), "2000");
}

TEST_F(EngineFence, AnotherConnectionStartsAnew) {
  script.at(0ms);
  recent(1, "1000");
  script.on_disconnected();
  script.take();
  script.open();
  EXPECT_EQ(recent(2, "1001"), "");
}

TEST_F(EngineFence, AnErrorStartsAnew) {
  script.at(0ms);
  recent(1, "1000");
  script.acquire(2, {.key = "other"});
  script.error(errc::read_only, "READONLY");
  script.take();
  script.reply("T2 not_held");
  EXPECT_EQ(recent(3, "1001"), "");
}

TEST_F(EngineFence, ARepeatProvesNothing) {
  // The counter in its reply may have been drawn long ago.
  script.at(0ms).acquire(1);
  script.on_disconnected();
  script.open();
  script.take();
  script.reply("T1 acquired 1000");
  script.take();
  EXPECT_EQ(recent(2, "1001"), "");
}

}  // namespace
}  // namespace dlock::core
