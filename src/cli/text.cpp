// Text from strangers: UTF-8, escapes, width.
#include "cli/text.hpp"

#include <fmt/format.h>

namespace dlock::cli {

namespace {

bool is_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// C0, DEL, C1; line and paragraph separators; what overrides the writing direction.
bool is_control(char32_t code) noexcept {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0x200E || code == 0x200F || code == 0xFEFF;
}

void append_escape(std::string& out, char32_t code) {
  const auto number = static_cast<unsigned>(code);
  switch (number) {
    case '\n':
      out += "\\n";
      break;
    case '\t':
      out += "\\t";
      break;
    case '\r':
      out += "\\r";
      break;
    default:
      if (number < 0x80) {
        out += fmt::format("\\x{:02x}", number);
      } else {
        out += fmt::format("\\u{:04x}", number);
      }
  }
}

}  // namespace

Character first_character(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  const Character broken{lead, 1, false};
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return broken;
  char32_t code = lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(text[i])) return broken;
    code = (code << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  const char32_t smallest = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < smallest || surrogate || code > 0x10FFFF) return broken;
  return {code, size, true};
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character.valid) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(character.code));
    } else if (is_control(character.code)) {
      append_escape(out, character.code);
    } else if (character.code == '\\') {
      out += "\\\\";
    } else {
      out += text.substr(0, character.size);
    }
    text.remove_prefix(character.size);
  }
  return out;
}

std::string shortened(std::string printable_text, std::size_t most) {
  if (columns(printable_text) <= most) return printable_text;
  std::size_t end = 0;
  for (std::size_t kept = 0; kept + 3 < most; ++kept) {
    do ++end;
    while (end < printable_text.size() && is_continuation(printable_text[end]));
  }
  printable_text.resize(end);
  return printable_text += "...";
}

std::string in_quotes(std::string_view text, std::size_t most) {
  // Escapes make it longer, never shorter: more bytes than this are never shown.
  const auto start = text.substr(0, 4 * most + 4);
  return "'" + shortened(printable(start), most) + "'";
}

std::size_t columns(std::string_view printable_text) noexcept {
  std::size_t count = 0;
  for (const char byte : printable_text) count += is_continuation(byte) ? 0 : 1;
  return count;
}

}  // namespace dlock::cli
