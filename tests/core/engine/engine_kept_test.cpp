// Engine: releases that keep others out for a while.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

// A lease of a minute from 0 s on, kept until `end`.
class EngineKept : public testing::Test {
 protected:
  EngineScript script;

  void obtain(Duration end) {
    script.at(0ms).obtain(1, {.key = "job", .ttl = 60s, .renew = false});
    script.leases.at(1)->hold_off_until = Instant{} + 1h + end;
  }
};

TEST_F(EngineKept, AReleaseSaysForHowLongYet) {
  obtain(30s);
  script.at(1s).release(1);
  script.expect({"release job T1 kept for 29000"});
  script.reply("T1 released");
  script.expect({"1 released"});
  script.expect_idle();
}

TEST_F(EngineKept, ALaterReleaseIsPlain) {
  obtain(30s);
  script.at(30s).release(1);
  script.expect({"release job T1"});
}

TEST_F(EngineKept, ARepeatedReleaseSendsWhatIsLeft) {
  obtain(4s);
  script.at(1s).release(1);
  script.expect({"release job T1 kept for 3000"});
  script.at(2s).on_disconnected();
  script.expect({"connect"});
  script.at(3s + 500us).reopen({"release job T1 kept for 1000"});
  script.error(errc::store_unusable);
  script.expect({});
  script.at(3250ms + 500us).timer();
  script.expect({"1 released or not", "unanswered", "release job T1 kept for 750"});
  script.error(errc::store_unusable);
  script.at(4s).timer();
  script.expect({"release job T1"});
}

TEST_F(EngineKept, AnotherThreadsWaitDoesNotTakeItOver) {
  obtain(30s);
  script.at(1s).acquire(2, {.key = "job"});
  script.expect({});
  script.at(2s).release(1);
  script.expect({"release job T1 kept for 28000", "acquire job T2 30000"});
  script.reply("T1 released");
  script.reply(EngineScript::queued("T2", 28s));
  script.expect({"1 released"});
}

TEST_F(EngineKept, ARenewedLeaseIsNotPassedOnEither) {
  script.at(0ms).obtain(1);
  script.leases.at(1)->hold_off_until = Instant{} + 1h + 10s;
  script.at(1s).acquire(2);
  script.at(1001ms).release(1);
  script.expect({"release job T1 kept for 8999", "acquire job T2 30000"});
}

TEST_F(EngineKept, AReleaseAfterTheLossKeepsItToo) {
  obtain(60s);
  script.at(59s).timer();
  script.expect({"1 lost: time_up"});
  script.at(59500ms).release(1);
  script.expect({"1 not held", "release job T1 kept for 500"});
}

TEST_F(EngineKept, ABreakKeepsNobodyOut) {
  obtain(30s);
  script.at(1s).message("break T1 5 0");
  script.take();
  script.reply("T1 b");
  script.expect({"release job T1", "1 lost: broken"});
}

}  // namespace
}  // namespace dlock::core
