// The RESP3 reader: every type, input cut anywhere, and what it refuses.
#include "redis/resp3.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/resp3_text.hpp"

namespace dlock::redis::resp3 {
namespace {

using testing::HasSubstr;

struct Sample {
  std::string_view input;
  std::string_view value;  ///< as test::text_of says it
};

constexpr Sample samples[]{
    {"$5\r\nhello\r\n", "$hello"},
    {"$0\r\n\r\n", "$"},
    {"$4\r\n\r\n\r\n\r\n", "$\r\n\r\n"},
    {"+OK\r\n", "+OK"},
    {"+\r\n", "+"},
    {"-ERR no\r\n", "-ERR no"},
    {":0\r\n", ":0"},
    {":-1\r\n", ":-1"},
    {":+12\r\n", ":12"},
    {":9223372036854775807\r\n", ":9223372036854775807"},
    {":-9223372036854775808\r\n", ":-9223372036854775808"},
    {"_\r\n", "_"},
    {"$-1\r\n", "_"},
    {"*-1\r\n", "_"},
    {"#t\r\n", "#1"},
    {"#f\r\n", "#0"},
    {",3.25\r\n", ",3.25"},
    {",-1e-7\r\n", ",-1e-7"},
    {",+2\r\n", ",2"},
    {",inf\r\n", ",inf"},
    {",-inf\r\n", ",-inf"},
    {",nan\r\n", ",nan"},
    {",1e999\r\n", ",1e999"},
    {"(3492890328409238509324850943850943825024385\r\n",
     "(3492890328409238509324850943850943825024385"},
    {"(-12\r\n", "(-12"},
    {"!8\r\nERR a\r\nb\r\n", "!ERR a\r\nb"},
    {"=8\r\ntxt:text\r\n", "=text"},
    {"=4\r\nmkd:\r\n", "="},
    {"*0\r\n", "*[]"},
    {"*2\r\n$1\r\na\r\n:1\r\n", "*[$a :1]"},
    {"*2\r\n*1\r\n*0\r\n*2\r\n_\r\n+x\r\n", "*[*[*[]] *[_ +x]]"},
    {"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#f\r\n", "%[+a :1 +b *[#0]]"},
    {"%0\r\n", "%[]"},
    {"~2\r\n:1\r\n:2\r\n", "~[:1 :2]"},
    {">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n", ">[$smessage $c $hi]"},
    // Attributes are no values.
    {"|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n", "$x"},
    {"|0\r\n+x\r\n", "+x"},
    {"*2\r\n|1\r\n+a\r\n*1\r\n:7\r\n:1\r\n:2\r\n", "*[:1 :2]"},
    {"*1\r\n|1\r\n+a\r\n|1\r\n+b\r\n+c\r\n+d\r\n%1\r\n|0\r\n:1\r\n:2\r\n", "*[%[:1 :2]]"},
    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"
     "*1\r\n:1\r\n",
     "*[*[*[*[*[*[*[*[*[*[*[*[*[*[*[*[:1]]]]]]]]]]]]]]]]"},
};

// A part of an expected problem; the bounds name what was sent and themselves.
constexpr Sample refusals[]{
    {"HTTP/1.1 400 Bad Request\r\n", "does not speak Redis's protocol (no reply begins with"},
    {std::string_view{"\0\r\n", 3}, "no reply begins with the byte 0"},
    {"\xff", "no reply begins with the byte 255"},
    {";4\r\n", "no reply begins with the byte 59"},
    {".\r\n", "no reply begins with the byte 46"},
    {"\r\n", "no reply begins with the byte 13"},
    {"*1\r\n\r\n", "no reply begins with the byte 13"},
    // The ends of lines and of strings.
    {"+a\rb\r\n", "a line without its end"},
    {"+a\nb\r\n", "a status that cannot be read"},
    {"+a\r\r\n", "a line without its end"},
    {"-ERR\n\r\n", "an error that cannot be read"},
    {"$1\nx\r\n", "a line without its end"},
    {"$1\r$", "a line without its end"},
    {"$1\r\nxy\r\n", "a string without its end"},
    {"$1\r\nx\n", "a string without its end"},
    {"$1\r\nx\r\r", "a string without its end"},
    {"*1\r:1\r\n", "a line without its end"},
    // Numbers.
    {":\r\n", "an integer that cannot be read"},
    {":-\r\n", "an integer that cannot be read"},
    {":+\r\n", "an integer that cannot be read"},
    {":+-1\r\n", "an integer that cannot be read"},
    {":++1\r\n", "an integer that cannot be read"},
    {":-0\r\n", "an integer that cannot be read"},
    {":05\r\n", "an integer that cannot be read"},
    {": 5\r\n", "an integer that cannot be read"},
    {":5 \r\n", "an integer that cannot be read"},
    {":0x5\r\n", "an integer that cannot be read"},
    {":1.0\r\n", "an integer that cannot be read"},
    {":9223372036854775808\r\n", "an integer that cannot be read"},
    {":-9223372036854775809\r\n", "an integer that cannot be read"},
    {":99999999999999999999999\r\n", "an integer that cannot be read"},
    {"_x\r\n", "a null that cannot be read"},
    {"#\r\n", "a boolean that cannot be read"},
    {"#1\r\n", "a boolean that cannot be read"},
    {"#tt\r\n", "a boolean that cannot be read"},
    {",\r\n", "a double that cannot be read"},
    {",1,5\r\n", "a double that cannot be read"},
    {",abc\r\n", "a double that cannot be read"},
    {",0x1p3\r\n", "a double that cannot be read"},
    {",nan(1)\r\n", "a double that cannot be read"},
    {"(\r\n", "a big number that cannot be read"},
    {"(-\r\n", "a big number that cannot be read"},
    {"(1.5\r\n", "a big number that cannot be read"},
    {"=3\r\ntxt\r\n", "a verbatim string without a format"},
    {"=5\r\ntxt;a\r\n", "a verbatim string without a format"},
    // Lengths.
    {"$\r\n", "a string whose length is not a number"},
    {"$+5\r\nhello\r\n", "a string whose length is not a number"},
    {"$05\r\nhello\r\n", "a string whose length is not a number"},
    {"$00\r\n\r\n", "a string whose length is not a number"},
    {"$ 5\r\nhello\r\n", "a string whose length is not a number"},
    {"$5x\r\nhello\r\n", "a line without its end"},
    {"$0x5\r\nhello\r\n", "a line without its end"},
    {"$-2\r\n", "a length that is not a number"},
    {"$-0\r\n", "a length that is not a number"},
    {"$-1x", "a length that is not a number"},
    {"$-11\r\n", "a length that is not a number"},
    {"*-2\r\n", "a length that is not a number"},
    {"*+1\r\n:1\r\n", "an array whose length is not a number"},
    {"*01\r\n:1\r\n", "an array whose length is not a number"},
    {"*00000000000000000000001\r\n:1\r\n", "an array whose length is not a number"},
    {"%-1\r\n", "a map whose length is not a number"},
    {"~-1\r\n", "a set whose length is not a number"},
    {">-1\r\n", "a push message whose length is not a number"},
    {"|-1\r\n", "an attribute whose length is not a number"},
    {"!-1\r\n", "an error whose length is not a number"},
    {"=-1\r\n", "a verbatim string whose length is not a number"},
    // Streamed.
    {"$?\r\n;4\r\npart\r\n;0\r\n",
     "a string of unknown length (streamed), which dlock cannot read"},
    {"*?\r\n:1\r\n.\r\n", "an array of unknown length (streamed), which dlock cannot read"},
    {"%?\r\n", "a map of unknown length (streamed), which dlock cannot read"},
    {"~?\r\n", "a set of unknown length (streamed), which dlock cannot read"},
    {">?\r\n", "a push message of unknown length (streamed), which dlock cannot read"},
    // Bounds.
    {"$536870913\r\n", "the server sent a string longer than 536870912 bytes"},
    {"$99999999999999999999\r\n", "the server sent a string longer than 536870912 bytes"},
    {"$18446744073709551615\r\n", "the server sent a string longer than 536870912 bytes"},
    {"$18446744073709551621\r\nhello\r\n", "the server sent a string longer than 536870912 bytes"},
    {"$9223372036854775807\r\n", "the server sent a string longer than 536870912 bytes"},
    {"!536870913\r\n", "the server sent an error longer than 536870912 bytes"},
    {"=536870913\r\n", "the server sent a verbatim string longer than 536870912 bytes"},
    {"*4194305\r\n",
     "the server sent an array with which the reply has more than 4194304 elements"},
    {"*99999999999999999999\r\n",
     "the server sent an array with which the reply has more than 4194304 elements"},
    {"*18446744073709551615\r\n", "an array with which the reply has more than 4194304 elements"},
    {"%2097153\r\n", "a map with which the reply has more than 4194304 elements"},
    {"%9223372036854775808\r\n", "a map with which the reply has more than 4194304 elements"},
    {"%9223372036854775809\r\n", "a map with which the reply has more than 4194304 elements"},
    {"~4194305\r\n", "a set with which the reply has more than 4194304 elements"},
    {">4294967295\r\n", "a push message with which the reply has more than 4194304 elements"},
    {"|2097152\r\n", "an attribute with which the reply has more than 4194304 elements"},
    {"*4194304\r\n*1\r\n", "an array with which the reply has more than 4194304 elements"},
    {"*2\r\n>1\r\n+x\r\n", "a push message inside a reply"},
};

std::string quoted(std::string_view bytes) { return testing::PrintToString(std::string{bytes}); }

std::string read_all(std::string_view input) {
  Reader reader;
  reader.feed(input);
  return test::text_of_all(reader);
}

TEST(Resp3, EveryTypeIsRead) {
  for (const auto& [input, value] : samples) {
    EXPECT_EQ(read_all(input), std::string{value} + '\n') << quoted(input);
  }
}

TEST(Resp3, InputMayBeCutAtEveryByte) {
  for (const auto& [input, value] : samples) {
    for (std::size_t cut = 0; cut < input.size(); ++cut) {
      Reader reader;
      reader.feed(input.substr(0, cut));
      ASSERT_EQ(test::text_of_all(reader), "") << quoted(input) << " to " << cut;
      reader.feed(input.substr(cut));
      ASSERT_EQ(test::text_of_all(reader), std::string{value} + '\n') << quoted(input) << cut;
    }
  }
}

TEST(Resp3, ValuesFollowEachOther) {
  std::string input;
  std::string values;
  for (const auto& sample : samples) {
    input += sample.input;
    values += std::string{sample.value} + '\n';
  }
  EXPECT_EQ(read_all(input), values);
  Reader reader;
  std::string read;
  for (const char byte : input) {
    reader.feed({&byte, 1});
    read += test::text_of_all(reader);
  }
  EXPECT_EQ(read, values);
}

TEST(Resp3, WhatBreaksTheProtocolOrABoundIsRefused) {
  for (const auto& [input, problem] : refusals) {
    for (const std::string_view before : {"", "+OK\r\n", "*2\r\n"}) {
      if (before.starts_with('*') && input.starts_with(">")) continue;  // is refused before
      EXPECT_THAT(read_all(std::string{before} + std::string{input}),
                  testing::AllOf(HasSubstr("problem: "), HasSubstr(std::string{problem})))
          << quoted(input);
    }
  }
}

TEST(Resp3, ARefusalDoesNotDependOnHowTheInputIsCut) {
  for (const auto& [input, problem] : refusals) {
    Reader reader;
    std::string read;
    for (std::size_t at = 0; at < input.size() && reader.problem().empty(); ++at) {
      reader.feed(input.substr(at, 1));
      read += test::text_of_all(reader);
    }
    EXPECT_EQ(read, read_all(input)) << quoted(input);
  }
}

TEST(Resp3, WholeValuesAreSkippedIfTheyComeNext) {
  Reader reader;
  reader.feed("+OK\r\n+QUEUED\r\n:1\r\n");
  ASSERT_EQ(reader.next()->text(), "OK");
  EXPECT_FALSE(reader.skip("+OK\r\n"));
  EXPECT_TRUE(reader.skip("+QUEUED\r\n"));
  EXPECT_FALSE(reader.skip(":1\r\n:2\r\n"));  // not all of it has come
  EXPECT_EQ(reader.next()->text(), "1");
  reader.feed("*2\r\n:1\r\n");
  EXPECT_FALSE(reader.next());
  reader.feed(":2\r\n");
  EXPECT_FALSE(reader.skip(":2\r\n"));  // a part of the value that is being read
  EXPECT_EQ(reader.next()->size(), 2U);
}

TEST(Resp3, NothingIsReadAfterAProblem) {
  Reader reader;
  reader.feed(":x\r\n+OK\r\n");
  EXPECT_FALSE(reader.next());
  const auto problem = reader.problem();
  reader.feed("+OK\r\n");
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.problem(), problem);
}

std::string repeated(std::string_view part, std::size_t count) {
  std::string text;
  while (count-- > 0) text += part;
  return text;
}

TEST(Resp3, TheDepthHasABound) {
  for (const std::string_view level :
       {"*1\r\n", "%1\r\n+k\r\n", "~1\r\n", "|1\r\n+k\r\n", "*2\r\n:1\r\n"}) {
    const auto deepest = repeated(level, max_depth);
    for (const std::string_view inner : {"*0\r\n", "*1\r\n", "%0\r\n", "|0\r\n"}) {
      EXPECT_EQ(read_all(deepest), "");
      EXPECT_EQ(read_all(deepest + std::string{inner}),
                "problem: the server sent a reply nested deeper than 16 levels\n");
    }
  }
}

TEST(Resp3, LinesHaveABound) {
  for (const std::string type : {"+", "-", ":", ",", "(", "_", "#"}) {
    EXPECT_EQ(read_all(type + std::string(max_line, '1')), "");
    EXPECT_THAT(read_all(type + std::string(max_line + 1, '1')), HasSubstr("longer than 65536"));
    EXPECT_THAT(read_all(type + std::string(max_line + 1, '1') + "\r\n"),
                HasSubstr("longer than 65536 bytes"));
  }
  const std::string longest(max_line, 'x');
  EXPECT_EQ(read_all('+' + longest + "\r\n"), '+' + longest + '\n');
}

TEST(Resp3, AnEndlessRowOfAttributesHasABound) {
  Reader reader;
  const auto row = repeated("|0\r\n", 1024);
  std::size_t rows = 0;
  while (reader.problem().empty() && rows <= max_elements / 1024) {
    reader.feed(row);
    ASSERT_FALSE(reader.next());
    ++rows;
  }
  EXPECT_THAT(reader.problem(), HasSubstr("more than 4194304 elements"));
}

TEST(Resp3, TheBoundOfElementsIsThatOfOneReply) {
  constexpr std::size_t count = 4000;
  const auto reply = '*' + std::to_string(count) + "\r\n" + repeated(":1\r\n", count);
  Reader reader;
  for (std::size_t read = 0; read <= max_elements; read += count) {
    reader.feed(reply);
    ASSERT_TRUE(reader.next()) << reader.problem();
  }
}

TEST(Resp3, LargeStringsArriveInPieces) {
  const std::string large(3 << 20, 'x');
  Reader reader;
  reader.feed("*2\r\n+first\r\n$" + std::to_string(large.size()) + "\r\n");
  for (std::size_t at = 0; at < large.size(); at += 10'000) {
    ASSERT_FALSE(reader.next());
    reader.feed(std::string_view{large}.substr(at, 10'000));
  }
  reader.feed("\r\n:7\r\n");
  const auto value = reader.next();
  ASSERT_TRUE(value);
  EXPECT_EQ((*value)[0].text(), "first");
  EXPECT_TRUE((*value)[1].text() == large);
  EXPECT_EQ(test::text_of_all(reader), ":7\n");
}

TEST(Resp3, ManyElementsAreRead) {
  constexpr std::size_t count = 100'000;
  Reader reader;
  reader.feed('*' + std::to_string(count) + "\r\n" + repeated("*1\r\n:1\r\n", count) +
              "+after\r\n");
  const auto value = reader.next();
  ASSERT_TRUE(value);
  EXPECT_EQ(value->size(), count);
  EXPECT_EQ(std::distance(value->begin(), value->end()), static_cast<std::ptrdiff_t>(count));
  EXPECT_EQ((*value)[count - 1][0].text(), "1");
  EXPECT_EQ(test::text_of_all(reader), "+after\n");
}

}  // namespace
}  // namespace dlock::redis::resp3
