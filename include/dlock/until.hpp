/// @file
/// From deadlines of any clock to spans, and back. For the library's own headers.
#pragma once

#include <chrono>
#include <optional>

namespace dlock::detail {

/// The time from now to `deadline`, rounded up to a millisecond; zero when it has passed.
template <class Clock, class Span>
std::chrono::milliseconds until(const std::chrono::time_point<Clock, Span>& deadline) {
  const auto now = Clock::now();
  return deadline > now ? std::chrono::ceil<std::chrono::milliseconds>(deadline - now)
                        : std::chrono::milliseconds::zero();
}

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// The end of `span` from now on; none if it is too far away to come.
template <class Rep, class Period>
Deadline deadline_in(const std::chrono::duration<Rep, Period>& span) {
  constexpr std::chrono::hours never{24 * 365 * 100};
  if (span >= never) {
    return std::nullopt;
  }
  return std::chrono::steady_clock::now() + std::chrono::ceil<std::chrono::milliseconds>(span);
}

}  // namespace dlock::detail
