// What the keys do in `dlock top`.
#include <algorithm>
#include <optional>

#include "cli/text/text.hpp"
#include "cli/top/screen.hpp"

namespace dlock::cli {

namespace {

// Whether the key belonged to the filter.
bool edit_filter(View& view, const KeyPress& press) {
  auto& filter = view.listing.filter;
  switch (press.key) {
    case Key::text:
      filter += press.text;
      return true;
    case Key::erase: {
      // One character: its first byte is not a continuation.
      while (!filter.empty() && (static_cast<unsigned char>(filter.back()) & 0xC0) == 0x80) {
        filter.pop_back();
      }
      if (!filter.empty()) filter.pop_back();
      return true;
    }
    case Key::escape:
      filter.clear();
      view.is_typing = false;
      return true;
    case Key::enter:
      view.is_typing = false;
      return true;
    default:
      return false;
  }
}

void move(View& view, const Scene& scene, std::ptrdiff_t by) {
  if (view.page != Page::list) {
    const auto line = static_cast<std::ptrdiff_t>(view.first_line) + by;
    view.first_line = static_cast<std::size_t>(std::max<std::ptrdiff_t>(line, 0));
    return;
  }
  if (scene.rows.empty()) return;
  const auto name = [](const Row& row) -> const std::string& { return row.lock->info.name; };
  const auto found = std::ranges::find(scene.rows, view.selected, name);
  const auto at = found == scene.rows.end() ? 0 : found - scene.rows.begin();
  const auto last = static_cast<std::ptrdiff_t>(scene.rows.size()) - 1;
  const auto to = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(at + by, 0, last));
  view.selected = name(scene.rows[to]);
}

void open_page(View& view, Page page) {
  view.page = page;
  view.first_line = 0;
}

std::optional<SortKey> sort_key_of_letter(char letter) {
  switch (letter) {
    case 'w':
      return SortKey::waiters;
    case 'l':
      return SortKey::longest;
    case 'h':
      return SortKey::held;
    case 't':
      return SortKey::ttl;
    case 'r':
      return SortKey::handoffs;
    case 'n':
      return SortKey::name;
    default:
      return std::nullopt;
  }
}

bool obey_letter(View& view, const KeyPress& press, const Scene& scene) {
  const char letter = press.text.size() == 1 ? press.text[0] : '\0';
  if (letter == 'q') return false;
  if (letter == 'j') move(view, scene, 1);
  if (letter == 'k') move(view, scene, -1);
  if (letter == '?') open_page(view, Page::help);
  if (letter == 'd') open_page(view, Page::deadlocks);
  if (view.page != Page::list) return true;
  auto& listing = view.listing;
  if (letter == '/') view.is_typing = true;
  if (letter == 's') listing.sort = next_key(listing.sort);
  if (letter == 'v') listing.reversed = !listing.reversed;
  if (const auto key = sort_key_of_letter(letter)) listing.sort = *key;
  return true;
}

}  // namespace

bool obey(View& view, const KeyPress& press, const Scene& scene) {
  if (view.is_typing && edit_filter(view, press)) return true;
  const auto page = static_cast<std::ptrdiff_t>(std::max<std::size_t>(scene.extent.rows, 6)) - 5;
  constexpr std::ptrdiff_t all = 1'000'000'000;
  switch (press.key) {
    case Key::text:
      return obey_letter(view, press, scene);
    case Key::interrupt:
      return false;
    case Key::up:
      move(view, scene, -1);
      break;
    case Key::down:
      move(view, scene, 1);
      break;
    case Key::page_up:
      move(view, scene, -page);
      break;
    case Key::page_down:
      move(view, scene, page);
      break;
    case Key::home:
      move(view, scene, -all);
      break;
    case Key::end:
      move(view, scene, all);
      break;
    case Key::enter:
      if (view.page == Page::list && !scene.rows.empty()) {
        move(view, scene, 0);
        open_page(view, Page::lock);
      }
      break;
    case Key::escape:
    case Key::erase:
      if (view.page == Page::list) view.listing.filter.clear();
      view.page = Page::list;
      break;
    case Key::suspend:
    case Key::redraw:
      break;  // the caller's
  }
  return true;
}

}  // namespace dlock::cli
