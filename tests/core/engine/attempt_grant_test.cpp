// Attempt: pushed grants, and when they may be believed.
#include <gtest/gtest.h>

#include <variant>

#include "core/engine/attempt.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

constexpr ServerTime second_of_server(int seconds) { return {seconds * std::int64_t{1'000'000}}; }

/// Queued at 0 ms, when the server's clock showed 100 s.
class AttemptGrant : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + 1h + when; }

  static Token token(Duration claim = claim_time) {
    return make_token("c11e47c11e47c11e", {1, 2}, claim);
  }
  Attempt queued(Attempt::Request request) {
    Attempt attempt{std::move(request), Drift{}};
    ask(attempt);
    answer(attempt, "queued 20000 1 77 100000000 ours", 0ms);
    return attempt;
  }
  void ask(Attempt& attempt) const { static_cast<void>(attempt.command(lock_, {}, 0)); }
  static Attempt::Step answer(Attempt& attempt, const std::string& text, Duration sent) {
    std::string_view given_up;
    return attempt.on_reply(std::string{echo_of(attempt.token())} + " " + text, at(sent), given_up);
  }
  static bool asks(const Attempt::Step& step) { return std::holds_alternative<Attempt::Ask>(step); }
  static bool waits(const Attempt::Step& step) {
    return std::holds_alternative<Attempt::Nothing>(step);
  }

  const LockId lock_{"job", Kind::mutex};
};

TEST_F(AttemptGrant, AFreshGrantIsOursForTheClaimTime) {
  auto attempt = queued({token(), 30s});
  // 4 s by the server's clock after the reply's time, 1 % of that being doubtful.
  const auto step = attempt.on_grant(9, second_of_server(104), at(4s), true);
  ASSERT_TRUE(std::holds_alternative<Attempt::Acquired>(step));
  const auto& acquired = std::get<Attempt::Acquired>(step);
  EXPECT_EQ(acquired.counter, 9);
  EXPECT_EQ(acquired.length, 3s);
  EXPECT_TRUE(acquired.granted);
  EXPECT_EQ(acquired.valid_until, at(4s - 40ms + 3s - 32ms));
}

TEST_F(AttemptGrant, AGrantThatWasLongUnderWayIsClaimedFirst) {
  auto attempt = queued({token(), 30s});
  // Until 6928 ms; two thirds of the claim are left up to 4928 ms.
  auto late = attempt;
  EXPECT_FALSE(asks(attempt.on_grant(9, second_of_server(104), at(4928ms), true)));
  EXPECT_TRUE(asks(late.on_grant(9, second_of_server(104), at(4929ms), true)));
}

TEST_F(AttemptGrant, AGrantFromTheFutureOfTheServersClockIsClaimedFirst) {
  auto attempt = queued({token(), 30s});
  // Even with the drift the server's clock cannot have come from 100 s to 105 s in 4.9 s.
  EXPECT_TRUE(asks(attempt.on_grant(9, second_of_server(105), at(4900ms), true)));
}

TEST_F(AttemptGrant, AGrantBeforeAnyReplyOfThisConnectionIsClaimedFirst) {
  auto attempt = queued({token(), 30s});
  attempt.on_disconnected();
  EXPECT_TRUE(asks(attempt.on_grant(9, second_of_server(104), at(4s), true)));
}

TEST_F(AttemptGrant, AFixedLeaseIsClaimedFirst) {
  auto attempt = queued({token(), 30s, true, true});
  EXPECT_TRUE(asks(attempt.on_grant(9, second_of_server(104), at(4s), true)));
}

TEST_F(AttemptGrant, AFreshGrantIsBelievedThoughARepeatIsOut) {
  auto attempt = queued({token(), 30s});
  ask(attempt);
  EXPECT_TRUE(std::holds_alternative<Attempt::Acquired>(
      attempt.on_grant(9, second_of_server(104), at(4s), true)));
}

TEST_F(AttemptGrant, ADoubtfulGrantWaitsForTheReplyThatIsComing) {
  auto attempt = queued({token(), 30s});
  ask(attempt);
  EXPECT_TRUE(waits(attempt.on_grant(9, second_of_server(104), at(7s), true)));
  EXPECT_TRUE(attempt.is_asking());
}

TEST_F(AttemptGrant, ARepeatThatIsOutWithAShorterTtlThanTheClaimIsWaitedFor) {
  // When it arrives, the server takes back what the grant promised.
  auto attempt = queued({token(), 30s});
  attempt.change(100ms, false);
  ask(attempt);
  EXPECT_TRUE(waits(attempt.on_grant(9, second_of_server(104), at(4s), true)));
  const auto step = answer(attempt, "acquired 9", 4s);
  ASSERT_TRUE(std::holds_alternative<Attempt::Acquired>(step));
  EXPECT_EQ(std::get<Attempt::Acquired>(step).valid_until, at(4s + 100ms - 3ms));
}

TEST_F(AttemptGrant, ARepeatThatIsOutWithTheShorterTtlOfAFormerWaiterIsWaitedFor) {
  auto attempt = queued({token(), 5s});
  ask(attempt);
  attempt.change(30s, false);
  EXPECT_TRUE(waits(attempt.on_grant(9, second_of_server(104), at(4s), true)));
  EXPECT_TRUE(asks(answer(attempt, "acquired 9", 4s)));
}

TEST_F(AttemptGrant, AClaimShorterThanThreeSecondsCountsAsTheTokenSaysIt) {
  auto attempt = queued({token(600ms), 600ms});
  const auto step = attempt.on_grant(9, second_of_server(100), at(5ms), true);
  ASSERT_TRUE(std::holds_alternative<Attempt::Acquired>(step));
  EXPECT_EQ(std::get<Attempt::Acquired>(step).length, 600ms);
  EXPECT_EQ(std::get<Attempt::Acquired>(step).valid_until, at(600ms - 8ms));
}

}  // namespace
}  // namespace dlock::core
