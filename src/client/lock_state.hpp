// LockState: what the handles of locks share: what they ask for, and what threads hold through
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "client/lease_state.hpp"
#include "client/target.hpp"
#include "dlock/client.hpp"
#include "dlock/lease.hpp"

namespace dlock::detail {

/// How a thread holds a lock through an object.
enum class Mode : std::uint8_t { exclusive, shared };

/// Thread-safe.
struct LockState {
  /// Throws `UsageError` for a name or options that make no sense.
  LockState(Client& owner, std::string_view lock_name, LockOptions options);

  [[nodiscard]] bool is_forked() const noexcept;

  /// Throws if the calling thread has it already; `advice` says what to do.
  void refuse_recursion(std::string_view advice);
  void keep(Lease lease, Mode mode = Mode::exclusive);
  /// One more hold, if the calling thread has one.
  [[nodiscard]] bool deepen();
  void unlock(Mode mode = Mode::exclusive) noexcept;
  /// Throws if it is not held through this object.
  [[nodiscard]] const Lease& lease();
  /// How often the calling thread holds it.
  [[nodiscard]] int depth() noexcept;

  const std::shared_ptr<const Target> target;

 private:
  /// What a thread holds through the object by lock().
  struct Hold {
    std::uint64_t thread;
    Lease lease;
    Mode mode{};
    int depth = 1;
  };
  using Holds = std::vector<Hold>;
  [[nodiscard]] Holds::iterator own_hold();
  [[nodiscard]] Holds::iterator hold_of(Mode mode);

  std::mutex mutex_;
  Holds holds_;  ///< may have some that were lost and not unlocked yet
};

/// Leaves it to the parent if this is its forked child.
void destroy(std::unique_ptr<LockState>& state) noexcept;

}  // namespace dlock::detail
