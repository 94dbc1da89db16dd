// The pages of `dlock top` at several sizes, what its keys do, and hostile names.
#include "cli/top/screen.hpp"

#include <gmock/gmock.h>

#include "cli/text/text.hpp"
#include "snapshots.hpp"

namespace dlock::cli {
namespace {

using namespace std::chrono_literals;
using test::held_lock;
using ::testing::HasSubstr;
using ::testing::Not;

class Screen : public ::testing::Test {
 protected:
  Screen() {
    for (int i = 0; i < 50; ++i) {
      snapshot.locks.push_back(std::make_shared<const SeenLock>(
          SeenLock{held_lock("lock" + std::to_string(100 + i), {.held = 61s, .waits = {2s}}),
                   test::now, 0.5}));
    }
    snapshot.sweeps = 1;
  }

  template <class Use>
  auto with_scene(Use use) {
    const auto rows = list_rows(snapshot, view.listing, test::now);
    return use(Scene{snapshot, rows, "redis://host", extent, test::now});
  }
  std::vector<Line> frame() {
    return with_scene([this](const Scene& scene) { return draw(view, scene); });
  }
  std::string text() {
    std::string all;
    for (const auto& line : frame()) all += line.text + '\n';
    return all;
  }
  bool press(const std::string& bytes) {
    auto rest = bytes;
    bool goes_on = true;
    for (const auto& key : take_keys(rest)) {
      goes_on = with_scene([&](const Scene& scene) { return obey(view, key, scene); });
      frame();
    }
    return goes_on;
  }
  std::string selected() {
    for (const auto& line : frame()) {
      if (line.style == Style::selected) return line.text.substr(0, line.text.find(' '));
    }
    return "none";
  }

  Snapshot snapshot;
  View view;
  Extent extent;
};

TEST_F(Screen, IsUsableAt80By24) {
  const auto lines = frame();
  ASSERT_EQ(lines.size(), 24U);
  EXPECT_THAT(lines[1].text,
              HasSubstr("50 locks: 50 held, 50 with waiters; 50 waiting, the longest 2.0s"));
  EXPECT_THAT(lines[3].text, HasSubstr("NAME    HOLDER"));
  EXPECT_THAT(lines[3].text, HasSubstr("  WAIT LONGEST   HELD    TTL   H/S"));
  EXPECT_THAT(lines[4].text, HasSubstr("lock100 web1:4711 job"));
  EXPECT_THAT(lines[4].text, HasSubstr("     1    2.0s  1m01s  30.0s   0.5"));
  EXPECT_THAT(lines[22].text, HasSubstr("lock118"));
  EXPECT_THAT(lines[23].text, HasSubstr("q: quit"));
}

TEST_F(Screen, NoLineIsTooLongAndNoFrameTooHighAtAnySize) {
  for (const auto page : {Page::list, Page::lock, Page::deadlocks, Page::help}) {
    view = {.page = page};
    for (const std::size_t columns : {1U, 7U, 20U, 40U, 79U, 80U, 200U}) {
      for (const std::size_t rows : {1U, 2U, 3U, 5U, 24U, 100U}) {
        extent = {columns, rows};
        const auto lines = frame();
        EXPECT_EQ(lines.size(), rows);
        for (const auto& line : lines) EXPECT_LE(cli::columns(line.text), columns) << line.text;
      }
    }
  }
}

TEST_F(Screen, ANarrowScreenKeepsNamesAndQueues) {
  extent.columns = 30;
  EXPECT_THAT(frame()[3].text, HasSubstr("NAME"));
  EXPECT_THAT(frame()[3].text, HasSubstr("WAIT"));
  EXPECT_THAT(frame()[3].text, Not(HasSubstr("H/S")));
}

TEST_F(Screen, TheSelectionFollowsTheKeysAndStaysOnTheScreen) {
  EXPECT_EQ(selected(), "lock100");
  press("\x1b[B\x1b[Bj");
  EXPECT_EQ(selected(), "lock103");
  press("k\x1b[A");
  EXPECT_EQ(selected(), "lock101");
  press("\x1b[F");
  EXPECT_EQ(selected(), "lock149");
  press("\x1b[5~");
  EXPECT_EQ(selected(), "lock130");
  press("\x1b[1~");
  EXPECT_EQ(selected(), "lock100");
}

TEST_F(Screen, EnterShowsTheQueueAndEscapeGoesBack) {
  press("j\r");
  EXPECT_THAT(text(), HasSubstr("lock101: held\n  holder    web1:4711 job"));
  EXPECT_THAT(text(), HasSubstr("1  web2:42 job  2.0 s"));
  snapshot.locks.erase(snapshot.locks.begin() + 1);
  EXPECT_THAT(text(), HasSubstr("lock101: nobody holds it"));
  press("\x1b");
  EXPECT_THAT(text(), HasSubstr("q: quit  enter: show"));
}

TEST_F(Screen, AFilterIsTypedAndForgotten) {
  press("/149q");
  EXPECT_THAT(text(), HasSubstr("filter: 149q_"));
  EXPECT_THAT(text(), HasSubstr("no lock matches"));
  press("\x7f\r");
  EXPECT_EQ(selected(), "lock149");
  press("\x1b");
  EXPECT_EQ(view.listing.filter, "");
}

TEST_F(Screen, LettersSortAndQuit) {
  EXPECT_TRUE(press("n"));
  EXPECT_EQ(view.listing.sort, SortKey::name);
  EXPECT_TRUE(press("v"));
  EXPECT_EQ(frame()[4].text.substr(0, 7), "lock149");
  EXPECT_FALSE(press("q"));
  EXPECT_FALSE(press("\x03"));
}

TEST_F(Screen, RingsAndProblemsAndEmptyStoresExplainThemselves) {
  press("d");
  EXPECT_THAT(text(), HasSubstr("no holders wait for each other"));
  const Party one{.client = "1", .host = "h", .pid = 1, .program = "p", .label = {}};
  snapshot.rings = {{{"a", one}, {"b", one}}};
  EXPECT_THAT(text(), HasSubstr("'a' is held by h:1 p, which waits for 'b'"));
  press("\x1b");
  EXPECT_THAT(text(), HasSubstr("1 deadlock"));
  snapshot.problem = "connection refused";
  EXPECT_THAT(text(), HasSubstr("cannot read the store, trying again: connection refused"));
  snapshot.locks.clear();
  EXPECT_THAT(text(), HasSubstr("nobody holds a lock, and nobody waits for one"));
}

TEST_F(Screen, NothingHostileReachesTheTerminal) {
  const std::string hostile =
      "\x1b]0;owned\x07\x9b"
      "31m\r\nx\u202e\u009b\x7f\xff";
  auto lock = held_lock(hostile, {.waits = {1s}, .label = hostile});
  lock.waiters[0].party.host = hostile;
  lock.holders[0].party.program = lock.holder.program = hostile;
  snapshot = test::snapshot_of({lock});
  snapshot.rings = {{{hostile, lock.holder}}};
  snapshot.problem = hostile;
  view.listing.filter = "owned";
  for (const auto page : {Page::list, Page::lock, Page::deadlocks}) {
    view.page = page;
    view.selected = hostile;
    for (const auto& line : frame()) {
      EXPECT_TRUE(is_utf8(line.text)) << line.text;
      for (const char byte : line.text) {
        EXPECT_GE(static_cast<unsigned char>(byte), 0x20) << line.text;
        EXPECT_NE(byte, '\x7f');
      }
      EXPECT_THAT(line.text, Not(HasSubstr("\u202e")));
      EXPECT_THAT(line.text, Not(HasSubstr("\u009b")));
    }
    EXPECT_THAT(text(), HasSubstr("\\x1b]0;owned"));
  }
}

TEST_F(Screen, AFrameIsDrawnOverTheOneBefore) {
  const auto bytes = for_terminal({{"a"}, {"bc", Style::alarm}}, 2, false);
  EXPECT_EQ(bytes, "\x1b[?2026h\x1b[Ha\x1b[K\r\n\x1b[1mbc\x1b[0m\x1b[?2026l");
  EXPECT_THAT(for_terminal({{"b", Style::alarm}}, 2, true), HasSubstr("\x1b[1;31mb"));
}

TEST(Keys, SequencesAreKeysAndUnknownOnesNothing) {
  std::string bytes = "a\xc3\xa4\x1b[A\x1b[1;5C\x1bOB\x1b[6~\xff\x01\x1a\x1b";
  EXPECT_EQ(take_keys(bytes), (std::vector<KeyPress>{{Key::text, "a"},
                                                     {Key::text, "\xc3\xa4"},
                                                     {Key::up},
                                                     {Key::down},
                                                     {Key::page_down},
                                                     {Key::suspend},
                                                     {Key::escape}}));
  EXPECT_EQ(bytes, "");
}

TEST(Text, WideCharactersTakeTwoColumnsAndCombiningOnesNone) {
  EXPECT_EQ(columns("k\u00e4se"), 4U);
  EXPECT_EQ(columns("\u9396\U0001F512e\u0301"), 5U);
  EXPECT_EQ(shortened("\u9396\u9396\u9396\u9396", 7), "\u9396\u9396...");
  EXPECT_EQ(shortened("abcdef", 2), "ab");
}

}  // namespace
}  // namespace dlock::cli
