// What the command says on stderr: one line each, beginning with "dlock: ".
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace dlock::cli {

enum class Tone { note, problem };

/// Writes `dlock: TEXT` in one piece; a failing stderr is ignored. In colour on a terminal, unless
/// NO_COLOR is set. Thread-safe.
void say(Tone tone, std::string_view text) noexcept;

template <class... Values>
void note(fmt::format_string<Values...> format, Values&&... values) {
  say(Tone::note, fmt::format(format, std::forward<Values>(values)...));
}

template <class... Values>
void complain(fmt::format_string<Values...> format, Values&&... values) {
  say(Tone::problem, fmt::format(format, std::forward<Values>(values)...));
}

/// Whether output on `fd` may be coloured: a terminal, and the user did not set NO_COLOR.
[[nodiscard]] bool may_colour(int fd) noexcept;

}  // namespace dlock::cli
