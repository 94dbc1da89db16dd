// Screen: the pages of `dlock top` as lines of text.
#include "cli/top/screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/text/duration.hpp"
#include "cli/text/lock_text.hpp"
#include "cli/text/text.hpp"
#include "cli/top/list_columns.hpp"

namespace dlock::cli {

namespace {

using Frame = std::vector<Line>;

constexpr std::size_t lines_above_list = 4;  // title, totals, state, headings

constexpr std::array help_lines{
    "up, down, page up, page down, home, end   move",
    "enter, right                              show the lock and its queue",
    "escape, left                              back; on the list: forget the filter",
    "/                                         filter by name or holder; *, ? and [abc]: by name",
    "s                                         sort by the next column",
    "w l h t r n                               sort by WAIT, LONGEST, HELD, TTL, H/S, NAME",
    "v                                         turn the order around",
    "d                                         deadlocks: holders that wait for each other",
    "q, Ctrl-C                                 quit",
    "",
    "HELD     how long the holder has had the lock",
    "TTL      how long the lock outlives its holder; the holder renews it",
    "WAIT     how many clients wait; LONGEST: the longest wait among them",
    "H/S      how often a second the lock changes hands, estimated from looks at it; those",
    "         between the threads of one process are not on the server",
};

std::string counted(std::size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string totals_text(const Scene& scene) {
  const auto totals = totals_of(scene.snapshot, scene.now);
  auto text = fmt::format("{}: {} held, {} with waiters; {} waiting", counted(totals.locks, "lock"),
                          totals.held, totals.contended, totals.waiters);
  if (totals.longest_wait.count() > 0) {
    text += ", the longest " + short_duration(totals.longest_wait);
  }
  const auto rings = scene.snapshot.rings.size();
  return text + (rings == 0 ? "" : "; " + counted(rings, "deadlock"));
}

Line state_line(const View& view, const Scene& scene) {
  const auto& snapshot = scene.snapshot;
  if (!snapshot.problem.empty()) {
    return {"cannot read the store, trying again: " + printable(snapshot.problem), Style::alarm};
  }
  if (view.is_typing) return {"filter: " + printable(view.listing.filter) + '_', Style::strong};
  auto text =
      fmt::format("by {}{}", name_of(view.listing.sort), view.listing.reversed ? ", reversed" : "");
  if (!view.listing.filter.empty()) {
    text += fmt::format("; filter {}: {}", in_quotes(view.listing.filter, 30), scene.rows.size());
  }
  if (snapshot.sweeps == 0)
    text += fmt::format("; reading the keys, {} so far", snapshot.locks.size());
  return {text, Style::faint};
}

std::string empty_text(const View& view, const Scene& scene) {
  if (!view.listing.filter.empty()) return "no lock matches the filter; escape forgets it";
  if (scene.snapshot.sweeps == 0) return "";
  return "nobody holds a lock, and nobody waits for one";
}

// The index of the selected row. A lock that is gone leaves its place to the next.
std::size_t selected_row(const View& view, const std::vector<Row>& rows) {
  const auto found =
      std::ranges::find(rows, view.selected, [](const Row& row) { return row.lock->info.name; });
  return found == rows.end() ? 0 : static_cast<std::size_t>(found - rows.begin());
}

std::size_t rows_of_list(const Scene& scene) {
  const auto others = lines_above_list + 1;
  return scene.extent.rows > others ? scene.extent.rows - others : 1;
}

Style style_of(const Row& row, bool is_selected) {
  if (is_selected) return Style::selected;
  return row.lock->info.waiters.empty() ? Style::plain : Style::strong;
}

Frame list_page(View& view, const Scene& scene) {
  Frame frame{{fmt::format("dlock top  {}", printable(scene.url)), Style::strong},
              {totals_text(scene), scene.snapshot.rings.empty() ? Style::plain : Style::alarm},
              state_line(view, scene)};
  const auto height = rows_of_list(scene);
  const auto selected = selected_row(view, scene.rows);
  if (selected < view.first_row) view.first_row = selected;
  if (selected >= view.first_row + height) view.first_row = selected - height + 1;
  const auto most = scene.rows.size() > height ? scene.rows.size() - height : 0;
  view.first_row = std::min(view.first_row, most);

  const auto shown = std::span{scene.rows}.subspan(view.first_row);
  const ListColumns columns{shown.first(std::min(height, shown.size())), scene.extent.columns};
  frame.push_back({columns.headings(), Style::heading});
  for (std::size_t i = 0; i < std::min(height, shown.size()); ++i) {
    const bool is_selected = view.first_row + i == selected;
    frame.push_back({columns.line(shown[i]), style_of(shown[i], is_selected)});
  }
  if (scene.rows.empty()) frame.push_back({empty_text(view, scene), Style::plain});
  return frame;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> lock_lines(const View& view, const Scene& scene) {
  const auto& locks = scene.snapshot.locks;
  const auto found = std::ranges::find(
      locks, view.selected, [](const auto& lock) -> const auto& { return lock->info.name; });
  if (found == locks.end()) return {printable(view.selected) + ": nobody holds it or waits for it"};
  auto lines = lines_of(lock_details(at(**found, scene.now)));
  lines.push_back(fmt::format("  h/s       {}", rate_text((*found)->handoffs)));
  return lines;
}

std::vector<std::string> deadlock_lines(const Scene& scene) {
  if (scene.snapshot.rings.empty()) return {"no holders wait for each other"};
  std::vector<std::string> lines;
  for (const auto& ring : scene.snapshot.rings) {
    for (auto& line : lines_of(ring_text(ring))) lines.push_back(std::move(line));
  }
  return lines;
}

Frame text_page(View& view, const Scene& scene, std::string_view title,
                const std::vector<std::string>& lines) {
  Frame frame{{fmt::format("dlock top  {}", title), Style::strong}};
  const auto height = scene.extent.rows > 2 ? scene.extent.rows - 2 : 1;
  const auto most = lines.size() > height ? lines.size() - height : 0;
  view.first_line = std::min(view.first_line, most);
  for (std::size_t i = view.first_line; i < std::min(lines.size(), view.first_line + height); ++i) {
    frame.push_back({lines[i], Style::plain});
  }
  return frame;
}

std::string_view footer(const View& view) {
  if (view.is_typing) return "enter: done  escape: forget the filter";
  if (view.page != Page::list) return "escape: back  up/down: scroll  q: quit";
  return "q: quit  enter: show  s: sort  /: filter  d: deadlocks  ?: help";
}

}  // namespace

std::vector<Line> draw(View& view, const Scene& scene) {
  if (view.selected.empty() && !scene.rows.empty() && view.page == Page::lock) {
    view.selected = scene.rows.front().lock->info.name;
  }
  Frame frame;
  switch (view.page) {
    case Page::list:
      frame = list_page(view, scene);
      break;
    case Page::lock:
      frame = text_page(view, scene, "a lock", lock_lines(view, scene));
      break;
    case Page::deadlocks:
      frame = text_page(view, scene, "deadlocks", deadlock_lines(scene));
      break;
    case Page::help:
      frame = text_page(view, scene, "help", {help_lines.begin(), help_lines.end()});
      break;
  }
  const auto& extent = scene.extent;
  frame.resize(extent.rows > 0 ? extent.rows - 1 : 0);
  if (extent.rows > 0) frame.push_back({std::string{footer(view)}, Style::faint});
  for (auto& line : frame) line.text = shortened(std::move(line.text), extent.columns);
  return frame;
}

std::vector<std::string> names_on_screen(const View& view, const Scene& scene) {
  if (view.page == Page::lock) return {view.selected};
  std::vector<std::string> names;
  const auto first = std::min(view.first_row, scene.rows.size());
  const auto count = std::min(rows_of_list(scene), scene.rows.size() - first);
  for (const auto& row : std::span{scene.rows}.subspan(first, count)) {
    names.push_back(row.lock->info.name);
  }
  return names;
}

std::string list_text(const Scene& scene) {
  std::string text = totals_text(scene) + '\n';
  const ListColumns columns{scene.rows, scene.extent.columns};
  if (!scene.rows.empty()) text += columns.headings() + '\n';
  for (const auto& row : scene.rows) text += columns.line(row) + '\n';
  for (const auto& line :
       scene.snapshot.rings.empty() ? std::vector<std::string>{} : deadlock_lines(scene)) {
    text += (line.empty() ? "" : "deadlock: ") + line + '\n';
  }
  return text;
}

std::string for_terminal(const std::vector<Line>& frame, std::size_t width, bool colour) {
  const auto code = [colour](Style style) -> std::string_view {
    switch (style) {
      case Style::plain:
        break;
      case Style::strong:
        return "\x1b[1m";
      case Style::heading:
        return "\x1b[1;4m";
      case Style::selected:
        return "\x1b[7m";
      case Style::faint:
        return "\x1b[2m";
      case Style::alarm:
        return colour ? "\x1b[1;31m" : "\x1b[1m";
    }
    return {};
  };
  // Terminals that know this show what comes until its end at once.
  std::string text = "\x1b[?2026h\x1b[H";
  for (const auto& line : frame) {
    if (&line != frame.data()) text += "\r\n";
    const auto style = code(line.style);
    text.append(style).append(line.text).append(style.empty() ? "" : "\x1b[0m");
    // Behind the last column, some terminals would clear that column.
    if (columns(line.text) < width) text += "\x1b[K";
  }
  return text += "\x1b[?2026l";
}

}  // namespace dlock::cli
