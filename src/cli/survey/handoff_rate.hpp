// HandoffRate: how often a lock changes hands, estimated from looks at it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "dlock/inspect.hpp"

namespace dlock::cli {

/// Two looks show whether the holder has changed, not how often. Where nearly every look finds a
/// new holder, the time for which each has held the lock tells more: at a random moment that is
/// half of a hold or more, so holders change at least 1 / (2 * mean) times a second. The true rate
/// may be higher: hand-offs between threads of one process are not on the server.
class HandoffRate {
 public:
  /// A look at the lock, at an instant of any clock.
  void observe(const LockInfo& lock, std::chrono::nanoseconds now);
  [[nodiscard]] double per_second() const noexcept;

 private:
  bool was_seen_ = false;
  std::chrono::nanoseconds last_{};
  std::string token_;
  std::int64_t fence_ = 0;
  // Averages over the last seconds.
  double changes_ = 0;  ///< per second
  double changed_ = 0;  ///< the part of looks that found a new holder
  double held_ = 0;     ///< the part of looks that found a holder
  double age_ = 0;      ///< seconds that the holder had held it
};

}  // namespace dlock::cli
