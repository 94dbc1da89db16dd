// ConditionWait: waits at a condition for a caller without a unique_lock of the mutex.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>

#include "dlock/condition_variable.hpp"

namespace dlock::detail {

class ConditionWait {
 public:
  /// Enters the queue, calls `unlock`, waits, and calls `lock`, also if the wait fails. Returns
  /// whether it was woken. If it throws before `unlock`, nothing has changed.
  static bool wait(const ConditionVariable& at, const std::function<void()>& unlock,
                   const std::function<void()>& lock, const std::stop_token& stop,
                   std::optional<std::chrono::milliseconds> span);
};

}  // namespace dlock::detail
