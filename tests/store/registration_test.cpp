// Registrations: what is written is read again, and nothing else is believed.
#include "store/registration.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <unistd.h>

namespace dlock::detail {
namespace {

TEST(Registration, ItReadsItsOwnText) {
  const bool held = rc::check([](const std::string& label) {
    const auto party = parse_registration(describe_self(label));
    RC_ASSERT(party.has_value());
    RC_ASSERT(party->label == label);
    RC_ASSERT(party->pid == ::getpid());
    RC_ASSERT(!party->host.empty());
    RC_ASSERT(party->client.empty());
  });
  EXPECT_TRUE(held);
}

TEST(Registration, TheOrderIsFreeAndUnknownMembersArePassedOver) {
  const auto party = parse_registration(
      " { \"version\" : \"2\", \"pid\":-7 ,\"n\":1,\"label\":\"l\", \"host\":\"h\"}\n");
  ASSERT_TRUE(party);
  EXPECT_EQ(party->pid, -7);
  EXPECT_EQ(party->host, "h");
  EXPECT_EQ(party->label, "l");
  EXPECT_EQ(party->program, "");
  EXPECT_TRUE(parse_registration("{}"));
}

TEST(Registration, EveryEscapeIsKnown) {
  const auto party = parse_registration(R"({"label":"\"\\\/\b\f\n\r\t\u0001\u00e9\u20AC"})");
  ASSERT_TRUE(party);
  EXPECT_EQ(party->label, "\"\\/\b\f\n\r\t\x01\xc3\xa9\xe2\x82\xac");
}

TEST(Registration, NothingElseIsBelieved) {
  const std::string_view wrong[] = {
      "",
      "null",
      "[]",
      "{",
      "{} x",
      "{\"host\":1}",
      "{\"pid\":\"1\"}",
      "{\"pid\":}",
      "{\"pid\":99999999999999999999}",
      "{\"pid\":1.5}",
      "{\"host\":\"h\"",
      "{\"host\":\"h\",}",
      "{\"host\":\"h}",
      "{\"host\":\"\\",
      "{\"host\":\"\\x\"}",
      "{\"host\":\"\\u12\"}",
      "{\"host\":\"\\u12g4\"}",
      "{\"host\":\"\\ud800\"}",
      "{\"host\":\"line\nbreak\"}",
      "{host:\"h\"}",
      "{\"other\":{}}",
      "{\"other\":true}",
  };
  for (const auto text : wrong) EXPECT_FALSE(parse_registration(text)) << text;
}

}  // namespace
}  // namespace dlock::detail
