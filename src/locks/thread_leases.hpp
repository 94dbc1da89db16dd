// ThreadLeases: which leases the calling thread must give back itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/wire/permits.hpp"

namespace dlock::detail {

class Session;
class LeaseState;
class LockSpec;

/// Of the calling thread; unlike its std::thread::id never given to another.
[[nodiscard]] std::uint64_t thread_number();

/// The calling thread will give the lease back, as long as the handle is not moved: while it waits
/// for something else, nobody does.
void bind_to_thread(const std::shared_ptr<LeaseState>& lease);
/// ... and nobody else will: it locked `object` by it.
void lock_in_thread(const std::shared_ptr<LeaseState>& lease, const void* object);

/// What a thread holds so. For that thread, and for others while it is known to wait.
class ThreadLeases {
 public:
  static ThreadLeases& of_this_thread();

  void add(const std::shared_ptr<LeaseState>& lease);
  /// Whether there is anything, or $DLOCK_HELD says so. Cheap, however much there is.
  [[nodiscard]] bool any();
  /// The tokens of this client's locks, and of the runs of dlock that wait for this program. Of
  /// many, the latest.
  [[nodiscard]] std::vector<std::string> tokens(const Session& client) const;

  /// What the thread has locked that keeps it from the lock `wanted` (with `permits`; none: the
  /// mutex), before it unlocks. Of many, the latest are looked at.
  enum class Conflict { none, same_object, other_object };
  [[nodiscard]] Conflict conflict(const LockSpec& wanted,
                                  const std::optional<core::Permits>& permits) const;

 private:
  [[nodiscard]] bool is_ours(const std::weak_ptr<LeaseState>& lease) const;

  const std::uint64_t thread_ = thread_number();
  std::vector<std::weak_ptr<LeaseState>> leases_;  ///< some may be over
  std::size_t room_ = 8;  ///< what is over is cleared away when it may be half of so many
};

}  // namespace dlock::detail
