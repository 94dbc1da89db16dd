// Keys: what a terminal sends for them.
#pragma once

#include <string>
#include <vector>

namespace dlock::cli {

enum class Key {
  text,  ///< one character
  up,
  down,
  page_up,
  page_down,
  home,
  end,
  enter,
  escape,  ///< Escape, or the left arrow
  erase,
  interrupt,  ///< Ctrl-C, Ctrl-D or Ctrl-backslash
  suspend,    ///< Ctrl-Z
  redraw,     ///< Ctrl-L
};

struct KeyPress {
  Key key = Key::text;
  std::string text{};  ///< of `Key::text`

  bool operator==(const KeyPress&) const = default;
};

/// Takes all complete keys off the front of `bytes`. An escape at the end is the key Escape: a
/// terminal sends a sequence in one piece. Drops sequences and bytes without a meaning.
[[nodiscard]] std::vector<KeyPress> take_keys(std::string& bytes);

}  // namespace dlock::cli
