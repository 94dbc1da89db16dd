// Replies beyond every bound: they end the connection, with the bound in the error, and nothing
// else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/connecting.hpp"
#include "support/fake_peer.hpp"

namespace dlock::redis {
namespace {

using testing::HasSubstr;

std::string nested(std::string_view level, std::size_t depth) {
  std::string text;
  while (depth-- > 0) text += level;
  return text + ":1\r\n";
}

struct Hostile {
  std::string reply;
  std::string_view problem;
};

std::vector<Hostile> hostile_replies() {
  constexpr std::string_view too_deep = "the server sent a reply nested deeper than 16 levels";
  constexpr std::string_view too_many = "more than 4194304 elements";
  constexpr std::string_view too_long = "longer than 536870912 bytes";
  return {
      {nested("*1\r\n", 17), too_deep},
      {nested("*1\r\n", 1000), too_deep},
      {nested("*1\r\n", 1'000'000), too_deep},
      {nested("%1\r\n:1\r\n", 1000), too_deep},
      {nested("~1\r\n", 1000), too_deep},
      {nested("|1\r\n:1\r\n", 1000), too_deep},
      {">2\r\n" + nested("*1\r\n", 1000), too_deep},
      {"*99999999\r\n", too_many},
      {"*9223372036854775807\r\n", too_many},
      {"%4611686018427387904\r\n", too_many},
      {"~99999999999999999999\r\n", too_many},
      {">4294967297\r\n", too_many},
      {nested("*4000000\r\n", 2), too_many},
      {"$536870913\r\n", too_long},
      {"$99999999999999999999\r\n", too_long},
      {"=9223372036854775807\r\n", too_long},
      {"+" + std::string(70'000, 'x'), "a status longer than 65536 bytes"},
      {"-ERR " + std::string(70'000, 'x') + "\r\n", "an error longer than 65536 bytes"},
      {":9223372036854775808\r\n", "does not speak Redis's protocol"},
      {"$5\r\nhello!\r\n", "does not speak Redis's protocol"},
  };
}

TEST(HostileReply, AsTheAnswerToTheLogInItIsAnError) {
  for (const auto& [reply, problem] : hostile_replies()) {
    const test::FakePeer peer{reply, test::FakePeer::Then::wait};
    try {
      (void)connect(peer.url());
      ADD_FAILURE() << problem;
    } catch (const Error& error) {
      EXPECT_EQ(error.reason(), errc::unreachable);
      EXPECT_THAT(error.what(), HasSubstr(std::string{problem}));
    }
  }
}

TEST(HostileReply, LaterItEndsTheConnectionAfterWhatCameBefore) {
  for (const auto& [reply, problem] : hostile_replies()) {
    const test::FakePeer peer{greeting() + "+good\r\n" + reply + "+after\r\n",
                              test::FakePeer::Then::wait};
    const auto connection = connect(peer.url());
    Recorder recorder;
    EXPECT_FALSE(run(*connection, recorder, [] { return false; }));
    EXPECT_THAT(connection->problem(), HasSubstr(std::string{problem}));
    EXPECT_THAT(recorder.events, testing::ElementsAre("good"));
  }
}

}  // namespace
}  // namespace dlock::redis
