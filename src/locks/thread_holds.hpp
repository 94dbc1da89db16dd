// ThreadHolds: the lock of a handle, and the holds of threads through it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>

#include "dlock/lease.hpp"
#include "locks/lock_spec.hpp"

namespace dlock::detail {

/// The mode in which a thread holds a lock through an object.
enum class Mode : std::uint8_t { exclusive, shared };

/// Thread-safe.
class ThreadHolds {
 public:
  explicit ThreadHolds(std::shared_ptr<const LockSpec> of) : spec(std::move(of)) {}

  const std::shared_ptr<const LockSpec> spec;

  /// Throws if the calling thread holds it already.
  void refuse_recursion(bool is_shared = false);
  void keep(Lease lease, Mode mode = Mode::exclusive);
  /// Adds a hold, if the calling thread has one.
  [[nodiscard]] bool deepen();
  /// If the calling thread does not hold it in this mode, ends the hold of another thread, which
  /// may have moved its std::unique_lock here. With several such threads, it ends them when no
  /// others are left.
  void unlock(Mode mode = Mode::exclusive) noexcept;
  /// The lease of the calling thread, at the same address until it is unlocked. Throws if there is
  /// none.
  [[nodiscard]] const Lease& lease();
  /// Makes the calling thread the holder of the mutex. Throws if no thread is.
  void adopt();
  /// The number of the calling thread's holds.
  [[nodiscard]] int depth() noexcept;

 private:
  /// A hold of one thread, by lock().
  struct Hold {
    std::uint64_t thread;
    Lease lease;
    Mode mode{};
    int depth = 1;
  };
  using Holds = std::list<Hold>;
  [[nodiscard]] Holds::iterator own_hold();
  [[nodiscard]] std::size_t count(Mode mode) const;
  [[nodiscard]] std::size_t& unclaimed(Mode mode) {
    return unclaimed_.at(static_cast<std::size_t>(mode));
  }
  [[noreturn]] void refuse_lease() const;

  std::mutex mutex_;
  Holds holds_;                             ///< may contain lost ones that are not unlocked yet
  std::array<std::size_t, 2> unclaimed_{};  ///< unlocks of each mode without a known hold
};

/// Leaves it to the parent in a forked child.
void destroy(std::unique_ptr<ThreadHolds>& state) noexcept;

}  // namespace dlock::detail
