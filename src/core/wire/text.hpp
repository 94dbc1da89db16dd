// Text from strangers: UTF-8, and escapes for what must not reach a terminal or a log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dlock::core {

/// One character of a byte string.
struct Character {
  char32_t code = 0;
  std::size_t size = 1;  ///< bytes; 1 for a byte that is not UTF-8
  bool valid = false;
};

/// The first character of `text`, which is not empty.
[[nodiscard]] Character first_character(std::string_view text) noexcept;

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// `text` for a message or a log, which it cannot leave: control characters, characters that turn
/// the writing direction, ends of lines and bytes that are not UTF-8 as `\n`, `\x1b`, `\u202e`.
[[nodiscard]] std::string escaped(std::string_view text);

}  // namespace dlock::core
