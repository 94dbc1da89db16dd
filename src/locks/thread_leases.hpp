// ThreadLeases: the leases that the calling thread must release itself.
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

/// The number of the calling thread. Unlike a std::thread::id, no other thread ever gets it.
[[nodiscard]] std::uint64_t thread_number();

/// The calling thread must release the lease, as long as the handle is not moved: while the thread
/// waits for another lock, no other thread releases this one.
void bind_to_thread(const std::shared_ptr<LeaseState>& lease);
/// The same, and no other thread can release it: this thread locked `object` with it.
void lock_in_thread(const std::shared_ptr<LeaseState>& lease, const void* object);

/// The leases of one thread. For that thread, and for others while it is known to wait.
class ThreadLeases {
 public:
  static ThreadLeases& of_this_thread();

  void add(const std::shared_ptr<LeaseState>& lease);
  /// Whether there are leases, here or in $DLOCK_HELD. Takes constant time.
  [[nodiscard]] bool any();
  /// The tokens of this client's locks, and of the `dlock run` processes that wait for this
  /// program; only the latest, if there are many.
  [[nodiscard]] std::vector<std::string> tokens(const Session& client) const;

  /// The lease of this thread that excludes the lock `wanted` (with `permits`; none: the mutex)
  /// until it is unlocked. Looks only at the latest, if there are many.
  enum class Conflict { none, same_object, other_object };
  [[nodiscard]] Conflict conflict(const LockSpec& wanted,
                                  const std::optional<core::Permits>& permits) const;

 private:
  [[nodiscard]] bool is_ours(const std::weak_ptr<LeaseState>& lease) const;

  const std::uint64_t thread_ = thread_number();
  std::vector<std::weak_ptr<LeaseState>> leases_;  ///< some may be over
  std::size_t room_ = 8;  ///< removes ended leases when there are this many entries
};

}  // namespace dlock::detail
