// Screen: the pages of `dlock top` as lines of text, and what the keys do there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/survey/listing.hpp"
#include "cli/survey/snapshot.hpp"
#include "cli/top/keys.hpp"

namespace dlock::cli {

enum class Page : std::uint8_t { list, lock, deadlocks, help };

/// What the user has chosen to see.
struct View {
  Page page = Page::list;
  ListingOptions listing{};
  bool is_typing = false;      ///< the filter
  std::string selected{};      ///< the lock's name; empty: the first
  std::size_t first_row = 0;   ///< on the screen, of the list
  std::size_t first_line = 0;  ///< ... of the other pages
};

enum class Style : std::uint8_t { plain, strong, heading, selected, faint, alarm };

struct Line {
  std::string text{};
  Style style = Style::plain;
};

struct Extent {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

/// What a frame shows.
struct Scene {
  const Snapshot& snapshot;
  const std::vector<Row>& rows;  ///< of `View::listing`
  std::string_view url;
  Extent extent;
  runtime::BootTime now;
};

/// Returns one line for each row of the screen, none wider than it, with untrusted text escaped.
/// Moves what `view` shows so that the selected row, and the end of a text, are on the screen.
[[nodiscard]] std::vector<Line> draw(View& view, const Scene& scene);

/// The names of the locks on the screen, which are the ones to look at.
[[nodiscard]] std::vector<std::string> names_on_screen(const View& view, const Scene& scene);

/// Does what the key means. Returns whether to go on.
[[nodiscard]] bool obey(View& view, const KeyPress& press, const Scene& scene);

/// Returns the totals and the whole list, for `--once`; no line is wider than `columns`.
[[nodiscard]] std::string list_text(const Scene& scene);

/// Returns the frame for a terminal of that width: written in one go over the frame before it.
[[nodiscard]] std::string for_terminal(const std::vector<Line>& frame, std::size_t width,
                                       bool colour);

}  // namespace dlock::cli
