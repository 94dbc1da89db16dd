// Waiting for a descriptor until a deadline.
#pragma once

#include <chrono>

namespace dlock::runtime {

/// A deadline of a call, by a clock that does not step.
using Deadline = std::chrono::steady_clock::time_point;

/// Waits until `fd` has one of `events` (poll's) or an error. False: `deadline` passed.
[[nodiscard]] bool wait_for(int fd, short events, Deadline deadline);

}  // namespace dlock::runtime
