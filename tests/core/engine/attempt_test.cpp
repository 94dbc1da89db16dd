// Attempt: requests, their replies, and when to ask again.
#include "core/engine/attempt.hpp"

#include <gtest/gtest.h>

#include <variant>

#include "support/spelled_out.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class AttemptTest : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + 1h + when; }
  static Token token() { return make_token("c11e47c11e47c11e", {1, 2}, claim_time); }

  Command ask(Attempt& attempt, std::string_view old = "") const {
    return test::spelled_out(attempt.command(lock, old, 0));
  }
  Attempt::Step answer(Attempt& attempt, const std::string& text, Duration sent = {}) {
    reply_ = std::string{echo_of(attempt.token())} + " " + text;
    return attempt.on_reply(reply_, at(sent), given_up);
  }
  Attempt asked(Attempt::Request request = {token(), 30s}) const {
    Attempt attempt{std::move(request), Drift{}};
    ask(attempt);
    return attempt;
  }
  /// When an attempt whose request left at 0 ms and was answered so asks again.
  Duration asks_again_after(const std::string& text) {
    auto attempt = asked();
    EXPECT_TRUE(std::holds_alternative<Attempt::Nothing>(answer(attempt, text)));
    return attempt.timer() ? *attempt.timer() - at({}) : -1ns;
  }

  const LockId lock{"job", Kind::mutex};
  std::string_view given_up;

 private:
  std::string reply_;
};

TEST_F(AttemptTest, TheRequestNamesKeysTokenTtlAndMode) {
  Attempt attempt{{.token = token(), .ttl = 30s}, Drift{}};
  EXPECT_TRUE(attempt.needs_seal());
  attempt.set_seal({11 << 11, 13 << 11});
  EXPECT_FALSE(attempt.needs_seal());
  EXPECT_FALSE(attempt.was_sent());
  const auto command = ask(attempt);
  EXPECT_EQ(command.verb, Verb::acquire);
  EXPECT_EQ(command.keys, (std::vector<std::string>{"job", "dlock1:qw:{job}", "dlock1:sw:{job}",
                                                    "dlock1:fence"}));
  EXPECT_EQ(command.args,
            (std::vector<std::string>{std::string{token()}, "30000", "wait", "", "", "", "11.13"}));
  EXPECT_TRUE(attempt.was_sent());
  EXPECT_TRUE(attempt.is_asking());
}

// With RESP2, messages and replies come on two connections.
TEST_F(AttemptTest, AGrantThatOvertookTheReplyIsAReasonToAskAgain) {
  auto attempt = asked();
  EXPECT_TRUE(std::holds_alternative<Attempt::Nothing>(attempt.on_grant(5, {}, at(1ms), true)));
  EXPECT_TRUE(std::holds_alternative<Attempt::Ask>(answer(attempt, "queued -1 0 77 1 ours")));
  ask(attempt);
  EXPECT_TRUE(std::holds_alternative<Attempt::Nothing>(answer(attempt, "queued -1 0 77 1 ours")));
  ask(attempt);
  attempt.on_next({}, at(2ms));
  EXPECT_TRUE(std::holds_alternative<Attempt::Ask>(answer(attempt, "queued -1 0 77 1 ours")));
}

TEST_F(AttemptTest, ATryDoesNotQueueAndATokenCanBeGivenUpInTheSameStep) {
  Attempt attempt{{token(), 1500us, false}, Drift{}};
  EXPECT_EQ(ask(attempt, "old").args, (std::vector<std::string>{std::string{token()}, "2", "try",
                                                                "", "old", ""}));  // rounded up
}

TEST_F(AttemptTest, AnAcquiredLockIsValidFromTheSendOfTheRequest) {
  auto attempt = asked();
  const auto step = answer(attempt, "acquired 5", 100ms);
  ASSERT_TRUE(std::holds_alternative<Attempt::Acquired>(step));
  const auto& acquired = std::get<Attempt::Acquired>(step);
  EXPECT_EQ(acquired.counter, 5);
  EXPECT_EQ(acquired.valid_until, at(100ms + 29698ms));
  EXPECT_EQ(acquired.length, 30s);
  EXPECT_FALSE(acquired.granted);
}

TEST_F(AttemptTest, ATakenLockIsBusyForATry) {
  auto attempt = asked({token(), 30s, false});
  EXPECT_TRUE(std::holds_alternative<Attempt::Busy>(answer(attempt, "busy 1000")));
}

TEST_F(AttemptTest, TheReplySaysWhatBecameOfTheTokenGivenUp) {
  for (const auto* text :
       {"acquired 5", "busy 7", "queued 7 0 77 1 ours", "queued 7 0 77 1 foreign"}) {
    for (const auto* outcome : {"released", "not_held"}) {
      auto attempt = asked();
      answer(attempt, std::string{text} + " " + outcome);
      EXPECT_EQ(given_up, outcome) << text;
    }
    auto attempt = asked();
    answer(attempt, text);
    EXPECT_EQ(given_up, "") << text;
  }
}

TEST_F(AttemptTest, AReplyWithAnotherEchoIsGarbled) {
  auto attempt = asked();
  EXPECT_TRUE(std::holds_alternative<Attempt::Garbled>(
      attempt.on_reply("00000002 acquired 5", at(0s), given_up)));
}

TEST_F(AttemptTest, AReplyThatMakesNoSenseIsGarbled) {
  for (const auto* text :
       {"", "acquired", "acquired five", "acquired 5x", "lost", "queued", "queued 1", "queued 1 0",
        "queued 1 0 77", "queued a 0 77 1 ours", "queued 1 a 77 1 ours", "queued 1 0 77 a ours"}) {
    auto attempt = asked();
    EXPECT_TRUE(std::holds_alternative<Attempt::Garbled>(answer(attempt, text))) << text;
  }
}

TEST_F(AttemptTest, ARepeatCarriesTheTicket) {
  auto attempt = asked();
  answer(attempt, "queued 20000 0 77 1 ours");
  EXPECT_EQ(ask(attempt).args[3], "77");
  attempt.on_disconnected();
  EXPECT_EQ(ask(attempt).args[3], "77");
}

TEST_F(AttemptTest, AFreshTokenKeepsTheTicket) {
  auto attempt = asked();
  answer(attempt, "queued 20000 0 77 1 ours");
  attempt.rename(std::string_view{"dlock1:another"});
  const auto args = ask(attempt).args;
  EXPECT_EQ(args[0], "dlock1:another");
  EXPECT_EQ(args[3], "77");
}

TEST_F(AttemptTest, AWaiterLooksAgainAtTheRefreshTimeWhichIsWithinAClaim) {
  EXPECT_EQ(asks_again_after("queued 20000 0 77 1 ours"), refresh_time);
  EXPECT_EQ(asks_again_after("queued 20000 1000000 77 1 ours"), refresh_time);
  EXPECT_LT(refresh_time, claim_time);
}

TEST_F(AttemptTest, AShorterLeaseIsLookedAtJustAfterItsEndStaggeredByPlace) {
  EXPECT_EQ(asks_again_after("queued 1000 0 77 1 ours"), 1001ms);
  EXPECT_EQ(asks_again_after("queued 1000 1 77 1 ours"), 1011ms);
  EXPECT_EQ(asks_again_after("queued 1000 100 77 1 ours"), 2001ms);
  EXPECT_EQ(asks_again_after("queued 1000 5000 77 1 ours"), 2001ms);
  EXPECT_EQ(asks_again_after("queued 2400 100 77 1 ours"), refresh_time);
}

TEST_F(AttemptTest, ALockWithoutExpiryIsLookedAtLikeALongOne) {
  EXPECT_EQ(asks_again_after("queued -1 0 77 1 ours"), refresh_time);
  EXPECT_EQ(asks_again_after("queued -1 1 77 1 ours"), refresh_time);
}

TEST_F(AttemptTest, TheFirstInLinePollsAForeignHolder) {
  EXPECT_EQ(asks_again_after("queued -1 0 77 1 foreign"), 100ms);
  EXPECT_EQ(asks_again_after("queued 20000 0 77 1 foreign"), 100ms);
  EXPECT_EQ(asks_again_after("queued 20 0 77 1 foreign"), 21ms);
  EXPECT_EQ(asks_again_after("queued 20000 1 77 1 foreign"), refresh_time);
}

TEST_F(AttemptTest, TheToldTimesRunFromTheSendOfTheRequest) {
  auto attempt = asked();
  answer(attempt, "queued 1000 0 77 1 ours", 500ms);
  EXPECT_EQ(attempt.timer(), at(1501ms));
}

TEST_F(AttemptTest, TheTimerAsksOnceAndNotBeforeItsTime) {
  auto attempt = asked();
  answer(attempt, "queued 1000 0 77 1 ours");
  EXPECT_TRUE(std::holds_alternative<Attempt::Nothing>(attempt.on_timer(at(1000ms))));
  EXPECT_TRUE(std::holds_alternative<Attempt::Ask>(attempt.on_timer(at(1001ms))));
  ask(attempt);
  EXPECT_EQ(attempt.timer(), std::nullopt);
  EXPECT_TRUE(std::holds_alternative<Attempt::Nothing>(attempt.on_timer(at(9s))));
}

TEST_F(AttemptTest, ANewHeadLooksAgainAtTheToldTimeIfThatIsSooner) {
  auto attempt = asked();
  answer(attempt, "queued 20000 0 77 1 ours");
  attempt.on_next(1s, at(500ms));
  EXPECT_EQ(attempt.timer(), at(1500ms));
  attempt.on_next(3s, at(600ms));
  EXPECT_EQ(attempt.timer(), at(1500ms));
}

TEST_F(AttemptTest, AMessageToTheHeadDoesNotMatterWhileItAsks) {
  auto attempt = asked();
  attempt.on_next(1s, at(500ms));
  EXPECT_EQ(attempt.timer(), std::nullopt);
}

TEST_F(AttemptTest, APassingStateIsAskedAgainWhenToldTo) {
  auto attempt = asked();
  attempt.ask_again(at(250ms));
  EXPECT_FALSE(attempt.is_asking());
  EXPECT_EQ(attempt.timer(), at(250ms));
  EXPECT_TRUE(std::holds_alternative<Attempt::Ask>(attempt.on_timer(at(250ms))));
}

TEST_F(AttemptTest, WithoutConnectionItNeitherAsksNorWaitsForAReply) {
  auto attempt = asked();
  attempt.on_disconnected();
  EXPECT_FALSE(attempt.is_asking());
  EXPECT_EQ(attempt.timer(), std::nullopt);
  EXPECT_TRUE(attempt.was_sent());
}

TEST_F(AttemptTest, AnotherWaitersTtlIsAskedForBeforeTheLockIsHandedOut) {
  auto attempt = asked();
  attempt.change(10s, false);
  EXPECT_TRUE(std::holds_alternative<Attempt::Ask>(answer(attempt, "acquired 5")));
  EXPECT_EQ(ask(attempt).args[1], "10000");
  const auto step = answer(attempt, "acquired 5", 1s);
  ASSERT_TRUE(std::holds_alternative<Attempt::Acquired>(step));
  EXPECT_EQ(std::get<Attempt::Acquired>(step).valid_until, at(1s + 10s - 102ms));
}

TEST_F(AttemptTest, AnotherWaitersEqualTtlNeedsNoSecondRequest) {
  auto attempt = asked();
  attempt.change(30s, true);
  EXPECT_TRUE(std::holds_alternative<Attempt::Acquired>(answer(attempt, "acquired 5")));
}

}  // namespace
}  // namespace dlock::core
