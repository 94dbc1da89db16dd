// Engine: a lease that gives way to a lighter one in one step.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

/// Waiter 1 holds all four permits.
class EngineExchange : public testing::Test {
 protected:
  EngineExchange() { script.at(0ms).obtain(1, permits(4)); }

  void exchange() {
    script.at(1s);
    script.engine.exchange(Instant{} + 1h + 1s, 2, permits(1), *script.leases.at(1));
    script.timer();
  }
  static constexpr auto request = "acquire gpu T2 30000 try giving up T1 1 of 4 permits";
  EngineScript script;
};

TEST_F(EngineExchange, IsOneRequest) {
  exchange();
  script.expect({request});
  script.at(1001ms).reply("T2 acquired 9 released");
  script.expect({"2 obtained 9.0"});
  script.release(2);
  script.expect({"release gpu T2 permits"});
  script.reply("T2 released");
  script.expect({"2 released"});
  script.expect_idle();
}

TEST_F(EngineExchange, ALeaseThatTheServerForgotIsRefused) {
  exchange();
  script.take();
  script.reply("T2 busy -1 not_held");
  script.expect({"2 busy"});
  script.expect_idle();
}

TEST_F(EngineExchange, ALeaseThatRanOutIsRefusedAndCleared) {
  script.at(40s);
  script.engine.exchange(Instant{} + 1h + 40s, 2, permits(1), *script.leases.at(1));
  script.cancel(99);
  script.expect({"2 busy", "release gpu T1 permits", "1 lost: expired"});
}

TEST_F(EngineExchange, IsRepeatedAsItIsAfterAReconnect) {
  exchange();
  script.take();
  script.at(1500ms).on_disconnected();
  script.on_connected(true);
  script.expect({"connect", "subscribe", "enroll", request});
  script.reply("OK");
  script.reply("OK");
  script.reply("T2 acquired 9 not_held");  // the first had been carried out
  script.expect({"2 obtained 9.0"});
}

TEST_F(EngineExchange, AfterALateCopyItUsesAnotherTokenAndReleasesTheFirst) {
  exchange();
  script.take();
  script.at(1500ms).on_disconnected();
  script.on_connected(false);
  script.expect({"connect", "subscribe", "enroll", "release gpu T2 permits",
                 "acquire gpu T3 30000 try giving up T1 1 of 4 permits"});
}

TEST_F(EngineExchange, WithAnErrorBothAreReleased) {
  exchange();
  script.take();
  script.error(errc::read_only);
  script.expect({"release gpu T1 permits", "2 failed: read_only", "release gpu T2 permits"});
}

TEST_F(EngineExchange, AnUnknownScriptIsSentInFull) {
  exchange();
  script.take();
  script.noscript();
  script.expect({std::string{request} + " in full"});
}

TEST_F(EngineExchange, GoesOnWithoutAConnection) {
  script.at(500ms).on_disconnected();
  script.expect({"connect"});
  exchange();
  script.expect({});
  script.on_connected(true);
  script.expect({"subscribe", "enroll", request});
}

TEST_F(EngineExchange, AfterACancelTheFormerLeaseIsReleasedByWhateverComes) {
  exchange();
  script.take();
  script.cancel(2);
  script.expect({"2 cancelled", "release gpu T2 permits"});
  script.reply("T2 acquired 9 released");
  script.reply("T2 released");
  script.expect({});
  script.expect_idle();
}

TEST_F(EngineExchange, ALeaseIsNotRenewedAnyMoreOnceItGivesWay) {
  exchange();
  script.at(1001ms).reply("T2 acquired 9 released");
  script.take();
  script.at(11s).timer();
  script.expect({"renew gpu T2 30000 .9 permits"});
}

}  // namespace
}  // namespace dlock::core
