// From a deadline of any clock to a span. For the library's own headers.
#pragma once

#include <chrono>

namespace dlock::detail {

/// The time from now to `deadline`, rounded up to a millisecond; zero when it has passed.
template <class Clock, class Span>
std::chrono::milliseconds until(const std::chrono::time_point<Clock, Span>& deadline) {
  const auto now = Clock::now();
  return deadline > now ? std::chrono::ceil<std::chrono::milliseconds>(deadline - now)
                        : std::chrono::milliseconds::zero();
}

}  // namespace dlock::detail
