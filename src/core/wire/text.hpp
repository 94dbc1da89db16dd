// Untrusted text: UTF-8, and escapes for characters that must not reach a terminal or a log.
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

/// `text` for one line of a message or log: control characters, overrides of the writing direction,
/// ends of lines and bytes that are not UTF-8 are escaped, as `\n`, `\x1b`, `\u202e`.
[[nodiscard]] std::string escaped(std::string_view text);

}  // namespace dlock::core
