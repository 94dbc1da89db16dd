// dlock_lease: whatever somebody has got, as one kind of handle.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "c/queue.hpp"
#include "dlock/acquire_all.hpp"
#include "dlock/dlock.h"
#include "dlock/leadership.hpp"
#include "dlock/lease.hpp"
#include "dlock/upgradeable_lease.hpp"
#include "runtime/fork.hpp"

namespace dlock::c {

using Right = std::variant<Lease, Leadership, UpgradeableLease, Leases>;

/// Gives it back, and throws as that does.
void give_back(Right right);

/// A C function and the pointer that goes with it.
struct LostCall {
  dlock_lost_handler handler;
  void* context;
  void operator()() const { handler(context); }
};

/// Throws `UsageError` for NULL, and in a forked child.
void check(const dlock_lease* lease);

}  // namespace dlock::c

/// Thread-safe, unlike what it has.
struct dlock_lease : dlock::c::Belonging {
  dlock_lease(std::shared_ptr<dlock_queue> of, dlock::c::Right obtained,
              std::shared_ptr<const dlock_lock> from = nullptr);
  std::string abandon() override;
  void close() noexcept override;
  /// Pushes an event when it is lost.
  void tell_loss(std::uint64_t context) noexcept;
  /// No handler is called any more, when this returns.
  void stop_watching() noexcept;

  // These outlast a release.
  const std::string name;
  const std::string token;
  const std::vector<std::int64_t> fences;  ///< of each lock
  std::atomic<std::int64_t> fence;         ///< grows by an upgrade
  const std::uint64_t generation = dlock::runtime::fork_generation();

  std::mutex changing;   ///< by who changes what is had; taken before the other
  std::stop_source end;  ///< requested before a release: ends a change that waits
  mutable std::mutex mutex;
  dlock::c::Right right;
  std::shared_ptr<const dlock_lock> source;  ///< where to get it again; null after a release
  std::stop_token lost;                      ///< since somebody asked for it
  std::list<std::stop_callback<dlock::c::LostCall>> watches;
  std::uint64_t context = 0;  ///< of the events about it

  /// Throws `LockLost` or `UsageError`.
  void ensure_held() const;
  /// Tells no loss any more, and does not throw.
  void give_back_quietly() noexcept;
  /// With the mutex.
  [[nodiscard]] bool holds() const noexcept;
  /// Somebody may look at the handle while it is given back.
  [[nodiscard]] dlock::c::Right take();
  /// The same; none, and nothing is changed, if it is not a plain lease.
  [[nodiscard]] std::optional<dlock::Lease> take_plain();
  /// Null of what dlock_acquire() did not make, and after a release.
  [[nodiscard]] std::shared_ptr<const dlock_lock> lock() const {
    const std::lock_guard guard{mutex};
    return source;
  }
  /// What is had, if it is a `Kind`, which nobody else changes then; else null. With `changing`.
  template <class Kind>
  [[nodiscard]] Kind* as() noexcept {
    const std::lock_guard lock{mutex};
    return std::get_if<Kind>(&right);
  }
  [[nodiscard]] bool is_forked() const noexcept {
    return generation != dlock::runtime::fork_generation();
  }
};
