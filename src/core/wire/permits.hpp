// Permits: the weights by which one structure is a semaphore and a reader-writer lock.
#pragma once

#include <cstdint>
#include <string>

namespace dlock::core {

/// The capacity of a reader-writer lock; no semaphore has it.
inline constexpr std::int64_t shared_capacity = std::int64_t{1} << 30;
/// The limit for a semaphore.
inline constexpr std::int64_t max_permits = shared_capacity - 1;

inline constexpr std::int64_t reader_weight = 1;
inline constexpr std::int64_t writer_weight = shared_capacity;
/// More than half, so that there is only one, beside readers ...
inline constexpr std::int64_t upgradeable_weight = shared_capacity / 2 + 1;
/// ... and the rest, which it needs to be alone.
inline constexpr std::int64_t upgrade_weight = shared_capacity - upgradeable_weight;

/// The terms of an acquisition of permits.
struct Permits {
  std::int64_t weight = 0;
  std::int64_t capacity = 0;
  bool first = false;  ///< before all waiters: for a holder that needs more
};

/// An error text: the request says that the lock `key` has `asked` permits, and it has `actual`.
[[nodiscard]] std::string disagreement(std::string_view key, std::int64_t asked,
                                       std::int64_t actual);

}  // namespace dlock::core
