// ConditionWait: waiting at a condition for who has its mutex by other means than a unique_lock.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>

#include "dlock/condition_variable.hpp"

namespace dlock::detail {

class ConditionWait {
 public:
  /// Stands in the queue, calls `unlock`, waits, and calls `lock`, also if the wait failed. Whether
  /// it was woken. If it throws before `unlock`, nothing was changed.
  static bool wait(const ConditionVariable& at, const std::function<void()>& unlock,
                   const std::function<void()>& lock, const std::stop_token& stop,
                   std::optional<std::chrono::milliseconds> span);
};

}  // namespace dlock::detail
