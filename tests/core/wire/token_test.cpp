// Tokens, fences, and the values of lock keys.
#include "core/wire/token.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

const std::string sample = "dlock1:0123456789abcdef:00000000000000ff8000000000000001:3000";

TEST(TokenText, ATokenNamesItsClientRandomBitsAndClaim) {
  EXPECT_EQ(make_token("0123456789abcdef", {0xff, 0x8000000000000001}, 3s), sample);
}

TEST(TokenText, TheClaimIsInWholeMillisecondsRoundedDown) {
  EXPECT_TRUE(make_token("0123456789abcdef", {1, 2}, 1999us).text().ends_with(":1"));
  EXPECT_TRUE(make_token("0123456789abcdef", {1, 2}, 250ms).text().ends_with(":250"));
}

TEST(TokenText, ThePartsAreFoundByTheirPositions) {
  EXPECT_EQ(client_of(sample), "0123456789abcdef");
  EXPECT_EQ(echo_of(sample), "00000000");
  EXPECT_EQ(sample.substr(token_random_at, 32), "00000000000000ff8000000000000001");
  EXPECT_EQ(sample.substr(token_claim_at), "3000");
}

TEST(TokenText, ATokenKnowsItsRandomPartHoweverItWasMade) {
  EXPECT_EQ(make_token("0123456789abcdef", {0xff, 0x8000000000000001}, 3s).random(),
            random_of(std::string_view{sample}));
  EXPECT_EQ(Token{sample}.random(), random_of(std::string_view{sample}));
  EXPECT_EQ(Token{sample}, make_token("0123456789abcdef", Token{sample}.random(), 3s));
}

TEST(TokenText, OnlyLowerCaseDigitsAreARandomPart) {
  for (int byte = 0; byte < 256; ++byte) {
    auto text = sample;
    text[token_random_at + 17] = static_cast<char>(byte);
    const bool is_digit = ('0' <= byte && byte <= '9') || ('a' <= byte && byte <= 'f');
    EXPECT_EQ(random_of(text) != RandomBits{}, is_digit) << byte;
  }
  EXPECT_EQ(random_of(sample.substr(0, token_claim_at - 1)), RandomBits{});
}

TEST(TokenText, ATextThatIsTooLongForATokenIsNone) {
  EXPECT_FALSE(Token{std::string(Token::max_size, 'a')}.empty());
  EXPECT_TRUE(Token{std::string(Token::max_size + 1, 'a')}.empty());
  const auto longest = make_token("0123456789abcdef", {1, 2}, 9999ms, (std::int64_t{1} << 53) - 1);
  EXPECT_EQ(weight_of(longest), (std::int64_t{1} << 53) - 1);
}

TEST(TokenText, BitsAreSixteenLowerCaseDigits) {
  EXPECT_EQ(hex(0), "0000000000000000");
  EXPECT_EQ(hex(0xfedcba9876543210), "fedcba9876543210");
}

TEST(TokenText, AFenceIsTheCounterAndThePlaceInItsRow) {
  EXPECT_EQ((Fence{5, 0}.number()), 320);
  EXPECT_EQ((Fence{5, 63}.number()), 383);
  EXPECT_EQ((Fence{6, 0}.number()), 384);
  EXPECT_EQ(Fence::of(383).counter, 5);
  EXPECT_EQ(Fence::of(383).sequence, 63);
}

TEST(TokenText, TheLargestCounterOfAServerStillGivesAFence) {
  const Fence fence{(std::int64_t{1} << 53) - 1, 63};
  EXPECT_GT(fence.number(), 0);
  EXPECT_EQ(Fence::of(fence.number()).counter, fence.counter);
}

TEST(TokenText, AValueIsATokenAndAFence) {
  const auto parsed = parse_value(sample + ":1700000000000000:7");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->token, sample);
  ASSERT_TRUE(parsed->fence);
  EXPECT_EQ(parsed->fence->counter, 1700000000000000);
  EXPECT_EQ(parsed->fence->sequence, 7);
}

TEST(TokenText, AFenceMayNotBeRecordedYet) {
  // The random part has decimal digits only, as one in three million has.
  const auto digits =
      make_token("1234567890123456", {0x1234567890123456, 0x1234567890123456}, 3s).text();
  for (const auto& token : {sample, digits}) {
    for (const auto* mark : {"", ":", ":11.12:"}) {
      const auto parsed = parse_value(token + mark);
      ASSERT_TRUE(parsed) << token << mark;
      EXPECT_EQ(parsed->token, token);
      EXPECT_FALSE(parsed->fence) << token << mark;
    }
  }
}

TEST(TokenText, ValuesOfOtherLibrariesAreNotParsed) {
  for (const auto& value :
       {std::string{}, std::string{"0f8fad5b-d9cb-469f-a165-70867728950e"}, std::string{"dlock1:"},
        sample + ":5", sample + ":5:", sample + ":11.12", sample + ":11.:", sample + "::0",
        sample + ":5:x", sample + ":x:0", sample + ":5:64", sample + ":5:-1", sample + ":-5:0",
        sample + ":9007199254740992:0", sample + ":5:0 ", " " + sample + ":5:0",
        "dlock2" + sample.substr(6) + ":5:0", "dlock1:" + std::string(60, 'a'),
        "dlock1:" + std::string(60, ':')}) {
    EXPECT_FALSE(parse_value(value)) << value;
  }
}

TEST(TokenText, EveryValueIsReadAsItWasWritten) {
  const bool held = rc::check([](std::uint64_t high, std::uint64_t low) {
    const auto claim = std::chrono::milliseconds{*rc::gen::inRange(1, 3001)};
    const auto token = make_token(hex(low), {high, low}, claim).text();
    const auto counter = *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 53);
    const auto sequence = *rc::gen::inRange(0, Fence::max_sequences);
    const auto parsed =
        parse_value(token + ":" + std::to_string(counter) + ":" + std::to_string(sequence));
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(parsed->token == token);
    RC_ASSERT(parsed->fence.has_value());
    RC_ASSERT(parsed->fence->counter == counter);
    RC_ASSERT(parsed->fence->sequence == sequence);
    RC_ASSERT(echo_of(token) == hex(high).substr(0, 8));
  });
  EXPECT_TRUE(held);
}

TEST(TokenText, ANumberIsANumberAndNothingElse) {
  int number = 0;
  EXPECT_TRUE(parse_number("-7", number));
  EXPECT_EQ(number, -7);
  for (const auto* text : {"", " 7", "7 ", "+7", "7x", "99999999999"}) {
    EXPECT_FALSE(parse_number(text, number)) << text;
  }
}

TEST(TokenText, AnExactNumberIsNeitherNegativeNorBeyondTwoToThe53) {
  std::int64_t number = 0;
  EXPECT_TRUE(parse_exact("0", number));
  EXPECT_TRUE(parse_exact("9007199254740991", number));
  EXPECT_EQ(number, 9007199254740991);
  for (const auto* text : {"-1", "9007199254740992", "9223372036854775807", "99999999999999999999",
                           "7.0", "7:", "/", ""}) {
    EXPECT_FALSE(parse_exact(text, number)) << text;
  }
}

}  // namespace
}  // namespace dlock::core
