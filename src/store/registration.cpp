// Registrations: what a client writes about itself for others to read.
#include "store/registration.hpp"

#include <array>
#include <charconv>
#include <cstdio>

#include "runtime/identity.hpp"

namespace dlock::detail {
namespace {

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.append({'\\', c});
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", byte);
      quoted += escaped.data();
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

// Reads from the front of a text. A member that returns false or none leaves it anywhere.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  bool take(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }

  std::optional<std::string> take_string() {
    if (!take('"')) return std::nullopt;
    std::string text;
    while (!rest_.empty()) {
      const char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '"') return text;
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        text += c;
      } else if (!take_escape(text)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  std::optional<std::int64_t> take_integer() {
    skip_space();
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc{}) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return number;
  }

  [[nodiscard]] bool sees_string() {
    skip_space();
    return rest_.starts_with('"');
  }

 private:
  bool take_escape(std::string& text) {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) return false;
    const char letter = rest_[0];
    rest_.remove_prefix(1);
    if (letter == 'u') return take_code_point(text);
    const auto place = letters.find(letter);
    if (place == letters.npos) return false;
    text += meanings[place];
    return true;
  }

  std::optional<unsigned> take_four_digits() {
    unsigned code = 0;
    if (rest_.size() < 4) return std::nullopt;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
    if (error != std::errc{} || end != rest_.data() + 4) return std::nullopt;
    rest_.remove_prefix(4);
    return code;
  }

  // As UTF-8. Halves of a surrogate pair are refused: the writer has no need of them.
  bool take_code_point(std::string& text) {
    const auto code = take_four_digits();
    if (!code || (*code >= 0xd800 && *code < 0xe000)) return false;
    if (*code < 0x80) {
      text += static_cast<char>(*code);
    } else if (*code < 0x800) {
      text += static_cast<char>(0xc0 | (*code >> 6));
      text += static_cast<char>(0x80 | (*code & 0x3f));
    } else {
      text += static_cast<char>(0xe0 | (*code >> 12));
      text += static_cast<char>(0x80 | ((*code >> 6) & 0x3f));
      text += static_cast<char>(0x80 | (*code & 0x3f));
    }
    return true;
  }

  std::string_view rest_;
};

bool take_member(Reader& reader, Party& party) {
  const auto name = reader.take_string();
  if (!name || !reader.take(':')) return false;
  if (reader.sees_string()) {
    auto value = reader.take_string();
    if (!value) return false;
    if (*name == "host") {
      party.host = std::move(*value);
    } else if (*name == "program") {
      party.program = std::move(*value);
    } else if (*name == "label") {
      party.label = std::move(*value);
    }
    return *name != "pid";
  }
  const auto value = reader.take_integer();
  if (!value || *name == "host" || *name == "program" || *name == "label") return false;
  if (*name == "pid") party.pid = *value;
  return true;
}

}  // namespace

std::string describe_self(std::string_view label) {
  return "{\"host\":" + quote(runtime::host_name()) +
         ",\"pid\":" + std::to_string(runtime::process_id()) +
         ",\"program\":" + quote(runtime::program_name()) + ",\"label\":" + quote(label) + "}";
}

std::optional<Party> parse_registration(std::string_view json) {
  Reader reader{json};
  Party party;
  if (!reader.take('{')) return std::nullopt;
  if (!reader.take('}')) {
    do {
      if (!take_member(reader, party)) return std::nullopt;
    } while (reader.take(','));
    if (!reader.take('}')) return std::nullopt;
  }
  reader.skip_space();
  if (!reader.at_end()) return std::nullopt;
  return party;
}

}  // namespace dlock::detail
