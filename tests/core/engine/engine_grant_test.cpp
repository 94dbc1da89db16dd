// Engine: pushed grants, and replies that cross them.
#include <gtest/gtest.h>

#include "core/engine/engine_script.hpp"
#include "core/wire/sha1.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

TEST(EngineGrant, AGrantedLeaseIsRenewedAfterAThirdOfTheClaim) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(2s).message("grant T1 9 3000000");
  script.expect({"1 obtained 9.0"});
  EXPECT_EQ(script.engine.stats().granted, 1U);
  // It began at 1980 ms: 2 s by the server's clock, 1 % of drift taken off.
  script.expect_timer(2980ms);
  script.at(2980ms).timer();
  script.expect({"renew job T1 30000 .0"});
}

TEST(EngineGrant, AGrantOfUnknownAgeIsClaimedBeforeItIsBelieved) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(4s).message("grant T1 9 3000000");  // its claim began two seconds ago
  script.expect({"acquire job T1 30000 ticket 77"});
  script.at(4001ms).reply("T1 acquired 9");
  script.expect({"1 obtained 9.0"});
}

TEST(EngineGrant, AFixedLeaseIsClaimedInFullBeforeItIsHandedOut) {
  EngineScript script;
  script.at(0ms).queue(1, {.key = "job", .renew = false});
  script.at(1s).message("grant T1 9 2000000");
  script.expect({"acquire job T1 30000 ticket 77"});
  script.at(1001ms).reply("T1 acquired 9");
  script.expect({"1 obtained 9.0"});
  script.expect_timer(29698ms);  // lost a second before validity ends
}

/// A grant that crosses a repeat, which is answered so.
void cross_a_repeat(EngineScript& script, const std::string& reply) {
  script.at(0ms).queue(1);
  script.at(2500ms).message("next T1 0");
  script.timer();
  script.expect({"acquire job T1 30000 ticket 77"});
  script.at(2501ms).message("grant T1 9 3500000");
  script.expect({"1 obtained 9.0"});
  script.at(2502ms).reply(reply);
}

TEST(EngineGrant, TheReplyOfARepeatThatCrossedTheGrantExtendsTheLease) {
  EngineScript script;
  cross_a_repeat(script, "T1 acquired 9");
  script.expect({});
  script.expect_timer(12500ms);  // a third of the ttl after the repeat left
}

TEST(EngineGrant, ALeaseThatTheRepeatHadToTakeAnewIsLost) {
  // The key was deleted between the grant and the repeat: somebody else may have held the lock.
  EngineScript script;
  cross_a_repeat(script, "T1 acquired 12");
  script.expect({"release job T1", "1 lost: taken"});
  script.at(2503ms).reply("T1 released");
  script.expect_idle();
}

// With RESP2, messages and replies come on two connections: the repeat may have been before the
// grant.
TEST(EngineGrant, ALeaseWhoseRepeatWasQueuedIsAskedFor) {
  for (const bool is_held : {true, false}) {
    EngineScript script;
    cross_a_repeat(script, EngineScript::queued("T1"));
    script.expect({"acquire job T1 30000 keep"});
    script.at(2503ms).reply(is_held ? "T1 acquired 9" : "T1 busy 500");
    if (is_held) {
      script.expect({});
      script.expect_timer(12502ms);
      script.release(1);
      script.expect({"release job T1"});
      script.reply("T1 released");
      script.expect({"1 released"});
    } else {
      script.expect({"release job T1", "1 lost: taken"});  // it may be in the queue
      script.at(2504ms).reply("T1 released");
    }
    script.expect_idle();
  }
}

TEST(EngineGrant, PermitsWhoseRepeatWasQueuedAreAskedFor) {
  EngineScript script;
  script.at(0ms).queue(1, permits(1));
  script.at(2500ms).message("next T1 0");
  script.timer();
  script.take();
  script.at(2501ms).message("grant T1 9 3500000");
  script.take();
  script.at(2502ms).reply(EngineScript::queued("T1"));
  script.expect({"renew gpu T1 30000 .9 permits"});
  script.at(2503ms).reply("T1 l");
  script.expect({"release gpu T1 permits", "1 lost: gone"});  // it may be in the queue
}

TEST(EngineGrant, ASecondGrantOfTheSameTokenChangesNothing) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(2s).message("grant T1 9 3000000");
  script.expect({"1 obtained 9.0"});
  script.at(2s).message("grant T1 9 3000000");
  script.expect({});
}

TEST(EngineGrant, ASecondGrantWithAnotherCounterMeansThatTheLeaseHadEnded) {
  // The server forgot the lock, and made us its owner anew: somebody else may have held it.
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(2s).message("grant T1 9 3000000");
  script.expect({"1 obtained 9.0"});
  script.at(2500ms).message("grant T1 12 3500000");
  script.expect({"release job T1", "1 lost: taken"});
}

// With RESP2, the message may have been sent before the reply that made the lease.
TEST(EngineGrant, AnOlderGrantIsNoLoss) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(2s).message("grant T1 9 3000000");
  script.take();
  script.message("grant T1 8 2000000");
  script.expect({"acquire job T1 30000 keep"});
  script.reply("T1 acquired 9");
  script.expect({});
}

TEST(EngineGrant, AGrantAfterTheCancelIsReturnedByTheReleaseUnderWay) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).cancel(1);
  script.expect({"1 cancelled", "release job T1"});
  script.at(1001ms).message("grant T1 9 2000000");
  script.expect({});
  script.at(1002ms).reply("T1 released");
  script.expect_idle();
}

TEST(EngineGrant, AGrantOfATokenThatCouldNotBeReleasedYetIsReturnedAtOnce) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(1s).cancel(1);
  script.expect({"1 cancelled", "release job T1"});
  script.at(1001ms).passing_error();
  script.at(1002ms).message("grant T1 9 2000000");
  script.expect({"release job T1"});
}

TEST(EngineGrant, TheNewHeadLooksAgainWhenItIsTold) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.expect_timer(2s);  // ping; would look again at 3 s
  script.at(500ms).message("next T1 1000");
  script.expect_timer(1500ms);
  script.at(1500ms).timer();
  script.expect({"acquire job T1 30000 ticket 77"});
}

TEST(EngineGrant, MessagesThatAreNotForUsOrMakeNoSenseAreIgnored) {
  EngineScript script;
  script.at(0ms).queue(1);
  for (const auto* text :
       {"", "grant", "grant T1", "grant T1 x 1", "grant T1 1 x", "grant short 1 1", "next",
        "next T1", "next T1 x", "next dlock1:other:00 5", "break", "break T1 1 x", "break T1 1 0",
        "hello T1", "grant dlock1:c11e47c11e47c11e:0000000000000000000000000000000a:3000 1 1"}) {
    script.at(1s).message(text);
    script.expect({});
  }
  script.expect_timer(2500ms);
}

TEST(EngineGrant, WithoutProofTheEngineAsksTheServer) {
  for (const auto* text : {"grant T1 9 3000000", "grant T1 9 3000000 ",
                           "grant T1 9 3000000 da39a3ee5e6b4b0d3255bfef95601890afd80709"}) {
    EngineScript script;
    script.at(0ms).queue(1);
    script.at(2s).forged(text);
    script.expect({"acquire job T1 30000 ticket 77"});
    script.forged(text);
    script.expect({});  // a question that is out answers that too
    script.reply(EngineScript::queued("T1"));
    script.expect({});
    script.at(2100ms).message("grant T1 9 1100000");
    script.expect({"1 obtained 9.0"});
  }
}

TEST(EngineGrant, AProofIsOfOneMessage) {
  EngineScript script;
  script.at(0ms).queue(1);
  const auto proof = sha1_of({EngineScript::seal, " grant T1 8 3000000 ", EngineScript::seal});
  script.at(2s).forged("grant T1 9 3000000 " + std::string{proof.text()});
  script.expect({"acquire job T1 30000 ticket 77"});
}

TEST(EngineGrant, AServerThatKnowsNoSealsIsAskedToo) {
  EngineScript script;
  script.at(0ms).acquire(1);
  script.reply("T1 queued 20000 0 77 1000000 ours");
  script.take();
  script.at(2s).message("grant T1 9 3000000");
  script.expect({"acquire job T1 30000 ticket 77"});
  script.reply("T1 acquired 9");
  script.expect({"1 obtained 9.0"});
}

TEST(EngineGrant, AHolderAsksBeforeItBelievesInAnotherGrantOfItsToken) {
  EngineScript script;
  script.at(0ms).queue(1);
  script.at(2s).message("grant T1 9 3000000");
  script.take();
  script.forged("grant T1 12 3000000");
  script.expect({"acquire job T1 30000 keep"});
  script.forged("grant T1 12 3000000");
  script.expect({});
  script.reply("T1 acquired 9");
  script.expect({});
  EXPECT_EQ(script.leases.at(1)->loss.load(), Loss::none);
  script.forged("grant T1 12 3000000");
  script.take();
  script.reply("T1 acquired 12");
  script.expect({"release job T1", "1 lost: taken"});
}

TEST(EngineGrant, AHolderOfPermitsAsksToo) {
  EngineScript script;
  script.at(0ms).obtain(1, permits(1));
  script.at(1s).forged("grant T1 12 3000000");
  script.expect({"renew gpu T1 30000 .5 permits"});
  script.reply("T1 k");
  script.expect({});
  EXPECT_EQ(script.leases.at(1)->loss.load(), Loss::none);
}

}  // namespace
}  // namespace dlock::core
