/// @file
/// Time spans of any unit, and deadlines of any clock, as whole milliseconds.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "dlock/error.hpp"

namespace dlock {

namespace detail {

/// So long, and longer, is for ever: far from the end of every clock's numbers.
inline constexpr std::chrono::hours max_span{24 * 365 * 100};

/// `span` in whole milliseconds, rounded up. The longest there is, which stands for ever, for
/// `max_span` and more, be it infinite; `-max_span` for what is less than that.
/// `UsageError` for what is not a number.
template <class Rep, class Period>
constexpr std::chrono::milliseconds in_ms(const std::chrono::duration<Rep, Period>& span) {
  using Seconds = std::chrono::duration<long double>;
  const Seconds seconds{span};  // of this nothing overflows
  if (seconds >= Seconds{max_span}) {
    return std::chrono::milliseconds::max();
  }
  if (seconds > -Seconds{max_span}) {
    return std::chrono::ceil<std::chrono::milliseconds>(span);
  }
  if (seconds < Seconds::zero()) {
    return -max_span;
  }
  throw_error(errc::usage, "a time span is not a number");
}

/// The time from now to `deadline`, as by `in_ms`; zero when it has passed.
template <class Clock, class Span>
std::chrono::milliseconds until(const std::chrono::time_point<Clock, Span>& deadline) {
  using Seconds = std::chrono::duration<long double>;
  const auto now = Clock::now();
  const Seconds left = Seconds{deadline.time_since_epoch()} - Seconds{now.time_since_epoch()};
  const bool is_near = left < Seconds{max_span} && left > -Seconds{max_span};
  return std::max(is_near ? in_ms(deadline - now) : in_ms(left), std::chrono::milliseconds::zero());
}

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// The end of `span` from now on; none if it is too far away to come.
template <class Rep, class Period>
Deadline deadline_in(const std::chrono::duration<Rep, Period>& span) {
  const auto left = in_ms(span);
  return left < max_span ? Deadline{std::chrono::steady_clock::now() + left} : std::nullopt;
}

}  // namespace detail

/// A time span of whole milliseconds, made of one in any unit: rounded up, and for ever if it is
/// 100 years or longer (`milliseconds::max()`), so that `seconds::max()` is what it seems to be.
class Span : public std::chrono::milliseconds {
 public:
  /// Zero.
  constexpr Span() noexcept : duration(zero()) {}
  /// So many milliseconds.
  constexpr explicit Span(rep ms) noexcept : duration(ms) {}
  /// As said. Throws `UsageError` for what is not a number.
  template <class Rep, class Period>
  constexpr Span(const std::chrono::duration<Rep, Period>& span)  // NOLINT: as among durations
      : duration(detail::in_ms(span)) {}
};

/// The time from now to `instant`, of any clock; zero when it has passed.
template <class Clock, class Duration>
Span span_until(const std::chrono::time_point<Clock, Duration>& instant) {
  return Span{detail::until(instant)};
}

}  // namespace dlock
