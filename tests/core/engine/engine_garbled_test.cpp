// Engine: replies that are not to the request that is due.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineGarbled, AShiftedReplyToAnAcquireClosesTheConnectionAndCountsAsNone) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.at(0ms).acquire(2, {.key = "other"});
  script.expect({"acquire job T1 30000", "acquire other T2 30000"});
  script.at(1ms).reply("T2 acquired 5");
  script.expect({"disconnect", "connect"});
  EXPECT_TRUE(script.engine.has_unanswered());
  // Both may still act there: neither token is used again.
  script.at(2ms).on_connected(false);
  script.expect({"subscribe", "enroll", "release job T1", "acquire job T3 30000",
                 "release other T2", "acquire other T4 30000"});
}

TEST(EngineGarbled, AShiftedReplyToACancelledAcquireClosesTheConnection) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.at(1ms).cancel(1);
  script.expect({"acquire job T1 30000", "1 cancelled", "release job T1"});
  script.at(2ms).reply("deadbeef acquired 5");
  script.expect({"disconnect", "connect"});
  EXPECT_TRUE(script.engine.has_unanswered());
  script.at(3ms).open(false);
  script.reply("T1 not_held");
  script.expect_timer(503ms);  // once more, for the acquire that may come late
}

TEST(EngineGarbled, AShiftedReplyToAReleaseClosesTheConnectionAndTheReleaseIsRepeated) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(1s).release(1);
  script.expect({"release job T1"});
  script.at(1001ms).reply("deadbeef released");
  script.expect({"disconnect", "connect"});
  script.at(1002ms).on_connected();
  script.expect({"subscribe", "enroll", "release job T1"});
}

TEST(EngineGarbled, AShiftedReplyToARenewalClosesTheConnectionAndTheLeaseGoesOn) {
  EngineScript script;
  script.at(0ms).obtain(1);
  script.at(10s).timer();
  script.expect({"renew job T1 30000 .0"});
  script.at(10001ms).reply("deadbeef l");
  script.expect({"disconnect", "connect"});
  script.at(10002ms).reopen({"renew job T1 30000 .0"});
}

TEST(EngineGarbled, AReplyThatNothingAskedForClosesTheConnection) {
  EngineScript script;
  script.at(0ms).reply("OK");
  script.expect({"disconnect"});
}

TEST(EngineGarbled, AReplyThatMakesNoSenseClosesTheConnection) {
  for (const auto* text :
       {"", "T1", "T1 acquired", "T1 acquired x", "T1 nonsense 5", "T1 queued", "T1 queued 5",
        "T1 queued 5 0 77", "T1 queued x 0 77 1 ours", "T1 queued 5 x 77 1 ours"}) {
    EngineScript script;
    script.at(0ms).acquire(1);
    script.expect({"acquire job T1 30000"});
    script.at(1ms).reply(text);
    script.expect({"disconnect", "connect"});
  }
}

TEST(EngineGarbled, RepliesAndMessagesOfADroppedConnectionAreIgnored) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.at(1ms).reply("deadbeef acquired 5");
  script.expect({"acquire job T1 30000", "disconnect", "connect"});
  script.reply("T1 acquired 5");
  script.message("grant T1 5 1000000");
  script.expect({});
}

TEST(EngineGarbled, AServerThatAlwaysAnswersWrongIsNotAskedWithoutPauseNorForEver) {
  EngineScript script;
  script.at(0ms).acquire(1);
  int connections = 0;
  for (auto now = 0ms; now < 11s; now += 1ms) {
    script.at(now).timer();
    for (const auto& action : script.take()) {
      if (std::holds_alternative<Connect>(action)) {
        ++connections;
        script.open();
        script.reply("deadbeef acquired 5");
      } else if (const auto* refusal = std::get_if<Refusal>(&action)) {
        EXPECT_EQ(refusal->code, errc::unreachable);
        EXPECT_GE(now, 10s);
        EXPECT_LT(connections, 30);
        return;
      }
    }
    if (now == 0ms) {
      script.reply("deadbeef acquired 5");
    }
  }
  ADD_FAILURE() << "the wait never ended";
}

}  // namespace
}  // namespace dlock::core
