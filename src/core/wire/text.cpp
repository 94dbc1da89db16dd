// Untrusted text: UTF-8, and escapes for characters that must not reach a terminal or a log.
#include "core/wire/text.hpp"

namespace dlock::core {

namespace {

bool is_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// C0, DEL, C1; line and paragraph separators; overrides of the writing direction.
bool is_control(char32_t code) noexcept {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0x200E || code == 0x200F || code == 0xFEFF;
}

void append_hex(std::string& out, std::string_view before, unsigned number, int digits) {
  out += before;
  while (digits-- > 0) out += "0123456789abcdef"[(number >> (4 * digits)) & 0xF];
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
      number < 0x80 ? append_hex(out, "\\x", number, 2) : append_hex(out, "\\u", number, 4);
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

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character.valid) {
      append_hex(out, "\\x", static_cast<unsigned>(character.code), 2);
    } else if (is_control(character.code)) {
      append_escape(out, character.code);
    } else {
      out += text.substr(0, character.size);
    }
    text.remove_prefix(character.size);
  }
  return out;
}

}  // namespace dlock::core
