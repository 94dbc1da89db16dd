// Globs: the same answers as the server's own.
#include "inspect/glob.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "redis/connection.hpp"
#include "support/redis_server.hpp"

namespace dlock::detail {
namespace {

TEST(Glob, KnowsEveryForm) {
  const std::tuple<std::string_view, std::string_view, bool> cases[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "abc", true},
      {"a*c", "abbc", true},
      {"a*c", "abb", false},
      {"a*b*c", "aXbXbXc", true},
      {"**", "x", true},
      {"?", "", false},
      {"?", "a", true},
      {"[ab]", "b", true},
      {"[^ab]", "b", false},
      {"[^ab]", "c", true},
      {"[a-c]", "b", true},
      {"[c-a]", "b", true},
      {"[a-c]", "d", false},
      {"[\\]]", "]", true},
      {"[]", "a", false},
      {"[a", "a", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\", "a\\", true},
      {"abc", "ab", false},
      {"ab", "abc", false},
      {"*[0-9]", "job7", true},
      {"h[a-]llo", "h-llo", false},
  };
  for (const auto& [pattern, text, matches] : cases) {
    EXPECT_EQ(matches_glob(pattern, text), matches) << pattern << " on " << text;
  }
}

TEST(Glob, ManyStarsTakeNoLongTime) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  EXPECT_FALSE(matches_glob(pattern + "b", std::string(5000, 'a')));
}

TEST(Glob, AnEscapedTextMatchesItselfAlone) {
  const bool held = rc::check([](const std::string& text, const std::string& other) {
    RC_ASSERT(matches_glob(escape_glob(text), text));
    RC_ASSERT(matches_glob(escape_glob(text), other) == (text == other));
  });
  EXPECT_TRUE(held);
}

TEST(Glob, AnswersAsTheServerDoes) {
  using namespace std::chrono_literals;
  const test::RedisServer server;
  const auto connection =
      redis::Connection::open({redis::parse_url(server.unix_url()), "dlock:test", 10s});
  const auto letters =
      rc::gen::container<std::string>(rc::gen::elementOf(std::string{"ab*?[]^-\\"}));
  const auto texts = rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string{"ab]-^\\"})));
  const bool held = rc::check([&] {
    const auto pattern = *letters;
    const auto text = *texts;
    (void)connection->call({"FLUSHALL"}, 10s);
    (void)connection->call({"SET", text, "x"}, 10s);
    const auto found = connection->call({"KEYS", pattern}, 10s).elements.size();
    RC_ASSERT(matches_glob(pattern, text) == (found == 1));
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace dlock::detail
