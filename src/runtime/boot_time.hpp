// The clock of all deadlines here: CLOCK_BOOTTIME, which counts while the machine sleeps.
#pragma once

#include <time.h>

#include <chrono>

namespace dlock::runtime {

/// An instant on CLOCK_BOOTTIME. All processes agree on it, so they may share it.
using BootTime = std::chrono::nanoseconds;

[[nodiscard]] inline timespec to_timespec(std::chrono::nanoseconds span) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(span);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((span - seconds).count())};
}

/// Safe between fork and exec.
[[nodiscard]] inline BootTime boot_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

}  // namespace dlock::runtime
