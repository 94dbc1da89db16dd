// Link: when a connection is needed, silent, or to be made again.
#include "core/engine/link.hpp"

#include <gtest/gtest.h>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

class LinkTest : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + 1h + when; }
  static constexpr RandomBits no_jitter{};  ///< half of a wait

  Link link{10s};
};

TEST_F(LinkTest, AConnectionIsAskedForOnce) {
  EXPECT_TRUE(link.connect());
  EXPECT_FALSE(link.connect());
  link.on_connected(at(0s));
  EXPECT_FALSE(link.connect());
  link.on_disconnected();
  EXPECT_TRUE(link.connect());
}

TEST_F(LinkTest, WhileANewConnectionHasToWaitNoneIsAskedFor) {
  link.reconnect_later(at(0s), no_jitter);
  EXPECT_FALSE(link.connect());
  EXPECT_FALSE(link.take_reconnect(at(4ms)));
  EXPECT_TRUE(link.take_reconnect(at(5ms)));
  EXPECT_FALSE(link.take_reconnect(at(5ms)));
  EXPECT_TRUE(link.connect());
}

TEST_F(LinkTest, OnlyAConnectionThatBroughtAGoodReplyIsMadeAgainAtOnce) {
  EXPECT_TRUE(link.may_reconnect_at_once());
  link.reconnect_at_once();
  link.on_connected(at(0s));
  link.on_disconnected();
  EXPECT_FALSE(link.may_reconnect_at_once());
  link.on_connected(at(1s));
  link.on_good_reply();
  EXPECT_TRUE(link.may_reconnect_at_once());
}

TEST_F(LinkTest, AfterANewConnectionAtOnceTheNextWaitIsTheSecond) {
  link.reconnect_at_once();
  link.reconnect_later(at(0s), no_jitter);
  EXPECT_EQ(link.reconnect_at(), at(10ms));
}

TEST_F(LinkTest, TroubleOutlastsThePatienceUnlessAGoodReplyEndsIt) {
  EXPECT_FALSE(link.on_trouble(at(0s)));
  EXPECT_FALSE(link.on_trouble(at(9999ms)));
  EXPECT_TRUE(link.on_trouble(at(10s)));
  link.on_good_reply();
  EXPECT_FALSE(link.is_in_trouble());
  EXPECT_FALSE(link.on_trouble(at(20s)));
}

TEST_F(LinkTest, TheLastTroubleIsToldUntilAGoodReply) {
  EXPECT_EQ(link.explained("no answer"), "no answer");
  (void)link.on_trouble(at(0s), "refused");
  (void)link.on_trouble(at(1s), "reset");
  (void)link.on_trouble(at(2s));
  EXPECT_EQ(link.explained("no answer"), "no answer; the last problem: reset");
  link.on_good_reply();
  EXPECT_EQ(link.explained("no answer"), "no answer");
}

TEST_F(LinkTest, TroubleWhileNobodyWaitedDoesNotCount) {
  (void)link.on_trouble(at(0s));
  link.forget_idle_trouble(at(60s));
  EXPECT_FALSE(link.on_trouble(at(69s)));
  EXPECT_TRUE(link.on_trouble(at(70s)));
}

TEST_F(LinkTest, TroubleGoesOnWhileAConnectionIsBeingMade) {
  (void)link.on_trouble(at(0s));
  (void)link.connect();
  link.forget_idle_trouble(at(9s));
  EXPECT_TRUE(link.on_trouble(at(10s)));
}

TEST_F(LinkTest, TheTimeOfARequestBeginsWhenTheOneBeforeItIsAnswered) {
  link.on_connected(at(0s));
  EXPECT_EQ(link.answer_due(at(1s), 2s), at(3s));
  link.on_answered(at(2s));
  EXPECT_EQ(link.answer_due(at(1s), 2s), at(4s));
}

TEST_F(LinkTest, AMessageIsASignOfLifeAndNoAnswer) {
  link.on_connected(at(0s));
  link.on_heard(at(5s));
  EXPECT_EQ(link.ping_at(Link::ping_time), at(7s));
  EXPECT_EQ(link.answer_due(at(0s), 2s), at(2s));
}

TEST_F(LinkTest, AClientRegistersAgainAfterHalfOfTheLifeOnAConnectionOnly) {
  link.on_connected(at(0s));
  EXPECT_EQ(link.enroll_at(), std::nullopt);
  link.on_enrolled(at(1s));
  EXPECT_EQ(link.enroll_at(), at(301s));
  link.on_disconnected();
  EXPECT_EQ(link.enroll_at(), std::nullopt);
}

TEST_F(LinkTest, WhyNoGrantArrivesIsForgottenWithTheConnection) {
  link.on_connected(at(0s));
  link.on_subscribe_failed({errc::refused, "NOPERM"});
  EXPECT_EQ(link.subscribe_error()->second, "NOPERM");
  link.on_disconnected();
  EXPECT_FALSE(link.subscribe_error());
}

}  // namespace
}  // namespace dlock::core
