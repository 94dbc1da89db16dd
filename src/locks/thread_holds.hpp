// ThreadHolds: a lock as a handle has it: what it asks for, and what threads hold through it.
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

/// How a thread holds a lock through an object.
enum class Mode : std::uint8_t { exclusive, shared };

/// Thread-safe.
class ThreadHolds {
 public:
  explicit ThreadHolds(std::shared_ptr<const LockSpec> of) : spec(std::move(of)) {}

  const std::shared_ptr<const LockSpec> spec;

  /// Throws if the calling thread has it already.
  void refuse_recursion(bool is_shared = false);
  void keep(Lease lease, Mode mode = Mode::exclusive);
  /// One more hold, if the calling thread has one.
  [[nodiscard]] bool deepen();
  /// By a thread that does not hold it so: what another holds, who may have moved its
  /// std::unique_lock here. Whose is not known if several do: then when no others are left.
  void unlock(Mode mode = Mode::exclusive) noexcept;
  /// The calling thread's; stays where it is until it is unlocked. Throws if there is none.
  [[nodiscard]] const Lease& lease();
  /// The hold of the mutex becomes the calling thread's. Throws if it is not held.
  void adopt();
  /// How often the calling thread holds it.
  [[nodiscard]] int depth() noexcept;

 private:
  /// What a thread holds through the object by lock().
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
  Holds holds_;                             ///< may have some that were lost and not unlocked yet
  std::array<std::size_t, 2> unclaimed_{};  ///< unlocks of each mode that are nobody's
};

/// Leaves it to the parent if this is its forked child.
void destroy(std::unique_ptr<ThreadHolds>& state) noexcept;

}  // namespace dlock::detail
