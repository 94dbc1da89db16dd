// Departures: each user is answered in time, and nothing stays on the server.
#include "core/engine/departures.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/spelled_out.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class DeparturesTest : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + 1h + when; }

  /// The departure of lease 7, which its user releases at 0 s.
  Departure release() const {
    return {.token = token, .lock = {"job", Kind::mutex}, .life = 30s, .lease = 7, .held = true};
  }
  void add(Departure departure) { departures.add(at(0s), 1, std::move(departure)); }
  Departures::Verdict reply(std::string_view outcome, Duration when = 1s) {
    const auto text = std::string{echo_of(token)}.append(" ").append(outcome);
    return departures.on_reply(at(when), 1, Reply{.text = text});
  }
  Departures::Verdict error(errc code, Duration when = 1s) {
    return departures.on_reply(at(when), 1, Reply{.is_error = true, .code = code});
  }
  std::vector<Departures::Id> timer(Duration when, bool is_connected = true) {
    std::vector<Departures::Id> sent;
    departures.on_timer(at(when), is_connected, [&](Departures::Id id) {
      sent.push_back(id);
      (void)departures.command(at(when), id);
    });
    return sent;
  }
  std::vector<Released::Kind> released() {
    std::vector<Released::Kind> kinds;
    for (const auto& action : std::exchange(output.actions, {})) {
      if (const auto* it = std::get_if<Released>(&action)) {
        EXPECT_EQ(it->lease, 7u);
        kinds.push_back(it->kind);
      }
    }
    return kinds;
  }
  using Kinds = std::vector<Released::Kind>;
  using Ids = std::vector<Departures::Id>;

  Output output;
  Departures departures{output, 2s};
  Token token = make_token("0123456789abcdef", {1, 2}, 3s);
};

TEST_F(DeparturesTest, TheAnswerOfTheServerIsTheUsersAndEndsIt) {
  add(release());
  EXPECT_EQ(reply("released"), Departures::Verdict::good);
  EXPECT_EQ(released(), Kinds{Released::Kind::released});
  EXPECT_EQ(output.statistics->stats().released, 1u);
  EXPECT_TRUE(departures.empty());
  EXPECT_EQ(departures.timer(), std::nullopt);
  EXPECT_EQ(reply("released"), Departures::Verdict::none);
}

TEST_F(DeparturesTest, AUserWaitsNoLongerThanTheRequestTimeout) {
  add(release());
  EXPECT_EQ(departures.timer(), at(2s));
  timer(2s);
  EXPECT_EQ(released(), Kinds{Released::Kind::unknown});
  EXPECT_FALSE(departures.empty());
  reply("released", 3s);
  EXPECT_EQ(released(), Kinds{});
}

TEST_F(DeparturesTest, AReleaseIsForgottenWhenTheServerHasForgottenTheToken) {
  add(release());
  timer(2s);
  EXPECT_EQ(departures.timer(), at(31s));
  timer(31s);
  EXPECT_TRUE(departures.empty());
}

TEST_F(DeparturesTest, TheReleaseOfALeaseIsRepeatedAfterErrorsLessAndLessOften) {
  add(release());
  (void)departures.command(at(0s), 1);
  error(errc::refused, 0s);
  EXPECT_EQ(timer(249ms), Ids{});
  EXPECT_EQ(timer(250ms), Ids{1});
  error(errc::refused, 250ms);
  EXPECT_EQ(timer(749ms), Ids{});
  EXPECT_EQ(timer(750ms), Ids{1});
}

TEST_F(DeparturesTest, AWaitThatMayNotBeWithdrawnIsForgotten) {
  auto wait = release();
  wait.lease = 0;
  wait.held = false;
  add(wait);
  error(errc::refused);
  EXPECT_TRUE(departures.empty());
}

TEST_F(DeparturesTest, WithoutAConnectionNothingIsSentAgain) {
  add(release());
  error(errc::loading, 0s);
  EXPECT_EQ(timer(1s, false), Ids{});
  EXPECT_EQ(departures.timer(), at(2s));
}

TEST_F(DeparturesTest, ATokenThatMayReappearIsReleasedAgainButCountsAsSettled) {
  auto late = release();
  late.lease = 0;
  late.held = false;
  late.late = true;
  add(late);
  departures.on_connected(false);
  EXPECT_FALSE(departures.settled());
  reply("not_held", 0s);
  EXPECT_TRUE(departures.settled());
  EXPECT_EQ(timer(500ms), Ids{1});
  reply("not_held", 500ms);
  EXPECT_EQ(timer(1s), Ids{1});
}

TEST_F(DeparturesTest, ALateRequestOnADeadConnectionDoesNotReappear) {
  auto late = release();
  late.late = true;
  add(late);
  departures.on_connected(true);
  reply("not_held");
  EXPECT_TRUE(departures.empty());
}

TEST_F(DeparturesTest, AnAcquireThatWasNotAnsweredMayActUntilTheConnectionEnds) {
  add(release());
  departures.on_disconnected(at(10s), [&](const Token& asked) { return asked == token; });
  timer(31s);
  EXPECT_FALSE(departures.empty());
  timer(41s);
  EXPECT_TRUE(departures.empty());
}

TEST_F(DeparturesTest, AServerThatDoesNotKnowTheScriptGetsItInFull) {
  add(release());
  EXPECT_FALSE(departures.command(at(0s), 1).whole);
  EXPECT_EQ(departures.on_reply(at(1s), 1, Reply{.is_error = true, .unknown_script = true}),
            Departures::Verdict::resend);
  EXPECT_TRUE(departures.command(at(1s), 1).whole);
}

TEST_F(DeparturesTest, AReplyToAnotherRequestChangesNothing) {
  add(release());
  EXPECT_EQ(departures.on_reply(at(1s), 1, Reply{.text = "ffffffff released"}),
            Departures::Verdict::shifted);
  EXPECT_FALSE(departures.empty());
  EXPECT_EQ(released(), Kinds{});
}

TEST_F(DeparturesTest, AHoldOffIsSentAsWhatIsLeftOfIt) {
  auto held_off = release();
  held_off.hold_off_until = at(5s);
  add(held_off);
  const auto args = [&](Duration when) {
    return test::spelled_out(departures.command(at(when), 1)).args;
  };
  EXPECT_EQ(args(1s), (std::vector<std::string>{token.text(), "4000"}));
  EXPECT_EQ(args(5s), std::vector<std::string>{token.text()});
}

}  // namespace
}  // namespace dlock::core
