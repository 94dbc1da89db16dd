// Strangers' text: what must not reach a terminal or a log is escaped.
#include "core/wire/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dlock/error.hpp"

namespace dlock::core {
namespace {

TEST(Text, HarmlessTextStaysAsItIs) {
  for (const auto* text :
       {"", "plain", "C:\\path", "gr\u00fc\u00df", "\u6f22\u5b57", "\U0001f512"}) {
    EXPECT_EQ(escaped(text), text);
  }
}

TEST(Text, ControlCharactersOfAnyKindAreEscaped) {
  EXPECT_EQ(escaped("\x1b[2J\x07"), "\\x1b[2J\\x07");
  EXPECT_EQ(escaped("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(escaped(std::string_view{"a\0b", 3}), "a\\x00b");
  EXPECT_EQ(escaped("\x7f"), "\\x7f");
  EXPECT_EQ(escaped("\u009b31m"), "\\u009b31m") << "of eight bits";
  EXPECT_EQ(escaped("\u202egnp"), "\\u202egnp") << "turns the writing direction";
  EXPECT_EQ(escaped("\u2066x\u2069\u200f"), "\\u2066x\\u2069\\u200f");
  EXPECT_EQ(escaped("\u2028\u2029"), "\\u2028\\u2029") << "ends of lines";
}

TEST(Text, BytesThatAreNotUtf8AreEscaped) {
  EXPECT_EQ(escaped("\x9b"
                    "31m"),
            "\\x9b31m")
      << "an escape, to a terminal of eight bits";
  EXPECT_EQ(escaped("\xc3"), "\\xc3");
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(Text, NoErrorCarriesAControlCharacter) {
  try {
    throw_error(errc::deadlock, "held by \x1b]0;pwned\x07\nINFO all is well");
  } catch (const Deadlock& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("held by \\x1b]0;pwned\\x07\\nINFO all is well"));
  }
}

}  // namespace
}  // namespace dlock::core
