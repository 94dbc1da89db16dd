// UpgradeableState: the state behind an UpgradeableLease handle.
#pragma once

#include <memory>
#include <mutex>
#include <stop_token>

#include "dlock/lease.hpp"
#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "locks/thread_leases.hpp"

namespace dlock::detail {

struct UpgradeableState {
  /// The calling thread must release it, until the handle is moved.
  UpgradeableState(std::shared_ptr<const LockSpec> of, Lease lease)
      : lock(std::move(of)), base(std::move(lease)) {
    bind_to_thread(LeaseState::of(base));
  }

  const std::shared_ptr<const LockSpec> lock;
  mutable std::mutex mutex;  ///< guards the members below; no user code runs with it held
  Lease base;
  Lease rest;  ///< the writer's other half; empty: it only reads
  std::stop_source lost{
      std::nostopstate};  ///< requested when either half is lost; made on first use

  /// To be called with `mutex` held.
  void watch(const Lease& half) const {
    lock->client->on_loss(*LeaseState::of(half)->record, lost);
  }
};

}  // namespace dlock::detail
