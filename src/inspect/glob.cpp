// Glob patterns as of Redis' KEYS, for what the server cannot match itself.
#include "inspect/glob.hpp"

#include <algorithm>
#include <cstddef>

namespace dlock::detail {
namespace {

// Takes one class off the front of `rest`, behind its bracket; whether `c` is in it. A class
// without an end goes to the end of the pattern, as in Redis.
bool take_class(std::string_view& rest, char c) {
  const bool negated = rest.starts_with('^');
  if (negated) rest.remove_prefix(1);
  bool found = false;
  while (!rest.empty() && rest[0] != ']') {
    if (rest[0] == '\\' && rest.size() >= 2) {
      found = found || rest[1] == c;
      rest.remove_prefix(2);
    } else if (rest.size() >= 3 && rest[1] == '-') {
      const auto [low, high] = std::minmax(rest[0], rest[2]);
      found = found || (c >= low && c <= high);
      rest.remove_prefix(3);
    } else {
      found = found || rest[0] == c;
      rest.remove_prefix(1);
    }
  }
  if (!rest.empty()) rest.remove_prefix(1);
  return found != negated;
}

// Takes what stands for one character off the front of `rest`; whether `c` is it.
bool take_one(std::string_view& rest, char c) {
  const char first = rest[0];
  rest.remove_prefix(1);
  if (first == '?') return true;
  if (first == '[') return take_class(rest, c);
  if (first != '\\' || rest.empty()) return first == c;
  const char literal = rest[0];
  rest.remove_prefix(1);
  return literal == c;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  // A later star makes all choices of an earlier one equivalent: only the last is tried again.
  std::string_view after_star;
  std::string_view star_text;
  bool has_star = false;
  while (!text.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      after_star = pattern;
      star_text = text;
      has_star = true;
      continue;
    }
    if (!pattern.empty() && take_one(pattern, text[0])) {
      text.remove_prefix(1);
      continue;
    }
    if (!has_star) return false;
    star_text.remove_prefix(1);
    text = star_text;
    pattern = after_star;
  }
  return pattern.find_first_not_of('*') == pattern.npos;
}

std::string escape_glob(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view{"*?[]^-\\"}.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace dlock::detail
