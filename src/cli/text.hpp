// Text from strangers: lock names and labels are bytes, made safe to show and of known width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dlock::cli {

/// One character of a byte string.
struct Character {
  char32_t code = 0;
  std::size_t size = 1;  ///< bytes; 1 for a byte that is not UTF-8
  bool valid = false;
};

/// The first character of `text`, which is not empty.
[[nodiscard]] Character first_character(std::string_view text) noexcept;

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// `text` for a terminal: control characters, characters that turn the writing direction and bytes
/// that are not UTF-8 as `\n`, `\x1b`, `\u202e`; a backslash as `\\`.
[[nodiscard]] std::string printable(std::string_view text);

/// `printable` in single quotes, cut to about `most` columns: for messages.
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t most = 80);

/// `printable` text cut to at most `most` columns, with `...` at the end where something is
/// missing.
[[nodiscard]] std::string shortened(std::string printable_text, std::size_t most);

/// How many columns it takes, at one a character.
[[nodiscard]] std::size_t columns(std::string_view printable_text) noexcept;

}  // namespace dlock::cli
