// Untrusted text: escapes and width.
#include "cli/text/text.hpp"

#include <algorithm>
#include <array>

namespace dlock::cli {

namespace {

struct Range {
  char32_t first, last;
};

// The main blocks of Unicode Standard Annex #11 ("W" and "F"), and of combining characters.
constexpr std::array<Range, 14> wide{{{0x1100, 0x115F},
                                      {0x231A, 0x231B},
                                      {0x23E9, 0x23EC},
                                      {0x2E80, 0x303E},
                                      {0x3041, 0xA4CF},
                                      {0xA960, 0xA97C},
                                      {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF},
                                      {0xFE30, 0xFE6F},
                                      {0xFF01, 0xFF60},
                                      {0xFFE0, 0xFFE6},
                                      {0x1F300, 0x1F64F},
                                      {0x1F680, 0x1F9FF},
                                      {0x20000, 0x3FFFD}}};
constexpr std::array<Range, 8> combining{{{0x0300, 0x036F},
                                          {0x0483, 0x0489},
                                          {0x0591, 0x05BD},
                                          {0x0610, 0x061A},
                                          {0x064B, 0x065F},
                                          {0x200B, 0x200F},
                                          {0x20D0, 0x20FF},
                                          {0xFE00, 0xFE0F}}};

std::size_t columns_of(char32_t code) noexcept {
  const auto has_it = [code](const Range& range) {
    return range.first <= code && code <= range.last;
  };
  if (std::ranges::any_of(combining, has_it)) return 0;
  return std::ranges::any_of(wide, has_it) ? 2 : 1;
}

// The bytes at the front of `text` that fit into `most` columns.
std::size_t fitting(std::string_view text, std::size_t most) noexcept {
  std::size_t end = 0;
  for (std::size_t used = 0; end < text.size();) {
    const auto next = first_character(text.substr(end));
    used += columns_of(next.code);
    if (used > most) break;
    end += next.size;
  }
  return end;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string doubled;
  for (const char byte : text) doubled.append(byte == '\\' ? 2 : 1, byte);
  return core::escaped(doubled);
}

std::string shortened(std::string printable_text, std::size_t most) {
  constexpr std::size_t dots = 3;
  if (columns(printable_text) <= most) return printable_text;
  printable_text.resize(fitting(printable_text, most < dots ? most : most - dots));
  return most < dots ? printable_text : printable_text += "...";
}

std::string in_quotes(std::string_view text, std::size_t most) {
  // Escapes never shorten text, and a character has at most four bytes: the rest is never shown.
  const auto start = text.substr(0, 4 * most + 4);
  return "'" + shortened(printable(start), most) + "'";
}

std::size_t columns(std::string_view printable_text) noexcept {
  std::size_t count = 0;
  for (; !printable_text.empty();) {
    const auto next = first_character(printable_text);
    count += columns_of(next.code);
    printable_text.remove_prefix(next.size);
  }
  return count;
}

}  // namespace dlock::cli
