// Messages on stderr: each is one line that begins with "dlock: ".
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace dlock::cli {

enum class Tone { note, problem };

/// Writes `dlock: TEXT` in one piece, and ignores a failing stderr. Uses colour on a terminal,
/// unless the user set NO_COLOR. Thread-safe.
void say(Tone tone, std::string_view text) noexcept;

template <class... Values>
void note(fmt::format_string<Values...> format, Values&&... values) {
  say(Tone::note, fmt::format(format, std::forward<Values>(values)...));
}

template <class... Values>
void complain(fmt::format_string<Values...> format, Values&&... values) {
  say(Tone::problem, fmt::format(format, std::forward<Values>(values)...));
}

/// Whether output on `fd` may have colour: `fd` is a terminal, and the user did not set NO_COLOR.
[[nodiscard]] bool may_colour(int fd) noexcept;

}  // namespace dlock::cli
