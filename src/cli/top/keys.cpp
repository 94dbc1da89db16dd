// Keys: what a terminal sends for them.
#include "cli/top/keys.hpp"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/text/text.hpp"

namespace dlock::cli {

namespace {

using Sequence = std::pair<std::string_view, Key>;

// Behind an escape: as xterm sends them, also in the mode for applications, and as rxvt and the
// console do.
constexpr std::array<Sequence, 18> sequences{{
    {"[A", Key::up},
    {"OA", Key::up},
    {"[B", Key::down},
    {"OB", Key::down},
    {"[C", Key::enter},
    {"OC", Key::enter},
    {"[D", Key::escape},
    {"OD", Key::escape},
    {"[5~", Key::page_up},
    {"[6~", Key::page_down},
    {"[H", Key::home},
    {"OH", Key::home},
    {"[1~", Key::home},
    {"[7~", Key::home},
    {"[F", Key::end},
    {"OF", Key::end},
    {"[4~", Key::end},
    {"[8~", Key::end},
}};

constexpr std::array<std::pair<char, Key>, 11> controls{{
    {'\r', Key::enter},
    {'\n', Key::enter},
    {'\x03', Key::interrupt},
    {'\x04', Key::interrupt},
    {'\x1c', Key::interrupt},
    {'\x1a', Key::suspend},
    {'\x0c', Key::redraw},
    {'\x7f', Key::erase},
    {'\b', Key::erase},
    {'\x10', Key::up},
    {'\x0e', Key::down},
}};

// The length of the sequence behind an escape: `[` or `O`, parameters, one final byte.
std::size_t length_of_sequence(std::string_view rest) {
  if (rest.empty() || (rest[0] != '[' && rest[0] != 'O')) return 0;
  std::size_t at = 1;
  while (at < rest.size() && rest[at] >= ' ' && rest[at] < '@') ++at;
  return std::min(at + 1, rest.size());
}

std::optional<KeyPress> take_key(std::string_view& rest) {
  const auto first = first_character(rest);
  const auto taken = rest.substr(0, first.size);
  rest.remove_prefix(first.size);
  if (taken == "\x1b") {
    const auto sequence = rest.substr(0, length_of_sequence(rest));
    rest.remove_prefix(sequence.size());
    if (sequence.empty()) return KeyPress{Key::escape};
    for (const auto& [known, key] : sequences) {
      if (known == sequence) return KeyPress{key};
    }
    return std::nullopt;
  }
  for (const auto& [control, key] : controls) {
    if (taken[0] == control) return KeyPress{key};
  }
  if (!first.valid || first.code < ' ') return std::nullopt;
  return KeyPress{Key::text, std::string{taken}};
}

}  // namespace

std::vector<KeyPress> take_keys(std::string& bytes) {
  std::vector<KeyPress> keys;
  for (std::string_view rest{bytes}; !rest.empty();) {
    if (auto key = take_key(rest)) keys.push_back(std::move(*key));
  }
  bytes.clear();
  return keys;
}

}  // namespace dlock::cli
