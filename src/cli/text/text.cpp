// Untrusted text: escapes and width.
#include "cli/text/text.hpp"

namespace dlock::cli {

namespace {

bool is_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string doubled;
  for (const char byte : text) doubled.append(byte == '\\' ? 2 : 1, byte);
  return core::escaped(doubled);
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
  // Escapes never shorten text, and a character has at most four bytes: the rest is never shown.
  const auto start = text.substr(0, 4 * most + 4);
  return "'" + shortened(printable(start), most) + "'";
}

std::size_t columns(std::string_view printable_text) noexcept {
  std::size_t count = 0;
  for (const char byte : printable_text) count += is_continuation(byte) ? 0 : 1;
  return count;
}

}  // namespace dlock::cli
