// What the opaque handles of dlock.h point to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "c/queue.hpp"
#include "dlock/client.hpp"
#include "dlock/dlock.h"
#include "dlock/leadership.hpp"
#include "dlock/lease.hpp"
#include "dlock/lease_source.hpp"
#include "runtime/fork.hpp"

namespace dlock::c {

using Limit = std::optional<std::chrono::milliseconds>;  ///< of a wait; none: for ever

/// A C function and the pointer that goes with it.
struct LostCall {
  dlock_lost_handler handler;
  void* context;
  void operator()() const { handler(context); }
};

/// Throws `UsageError` for NULL, and in a forked child.
void check(const dlock_lease* lease);

}  // namespace dlock::c

// What is made with a client that has a queue belongs to that queue too.

struct dlock_client : dlock::c::Belonging {
  dlock_client(std::shared_ptr<dlock_queue> of, dlock::Client&& made)
      : Belonging(std::move(of)), client(std::move(made)) {}
  dlock::Client client;
};

struct dlock_lock : dlock::c::Belonging {
  dlock_lock(std::shared_ptr<dlock_queue> of, dlock::LeaseSource made)
      : Belonging(std::move(of)), source(std::move(made)) {}
  const dlock::LeaseSource source;
};

struct dlock_cancel {
  std::stop_source source;
};

/// Thread-safe, unlike the lease or leadership it has.
struct dlock_lease : dlock::c::Belonging {
  dlock_lease(std::shared_ptr<dlock_queue> of, dlock::Lease&& obtained)
      : dlock_lease(std::move(of), obtained) {
    lease = std::move(obtained);
  }
  dlock_lease(std::shared_ptr<dlock_queue> of, dlock::Leadership&& won)
      : dlock_lease(std::move(of), won.lease()) {
    leadership = std::move(won);
  }
  std::string abandon() override;
  /// Pushes an event when it is lost.
  void tell_loss(std::uint64_t context) noexcept;

  // These outlast a release.
  const std::string name;
  const std::string token;
  const std::int64_t fence;
  const std::uint64_t generation = dlock::detail::fork_generation();

  std::mutex changing;  ///< by who changes a leadership; taken before the other
  mutable std::mutex mutex;
  dlock::Lease lease;
  dlock::Leadership leadership;
  std::stop_token lost;  ///< since somebody asked for it
  std::list<std::stop_callback<dlock::c::LostCall>> watches;
  std::uint64_t context = 0;  ///< of the events about it

  /// With the mutex.
  [[nodiscard]] const dlock::Lease& held() const noexcept {
    return leadership ? leadership.lease() : lease;
  }
  /// Somebody may look at the handle while it is given back.
  [[nodiscard]] dlock::Lease take() {
    const std::lock_guard lock{mutex};
    return std::move(lease);
  }
  [[nodiscard]] dlock::Leadership take_leadership() {
    const std::lock_guard lock{mutex};
    return std::move(leadership);
  }
  [[nodiscard]] bool is_forked() const noexcept {
    return generation != dlock::detail::fork_generation();
  }

 private:
  dlock_lease(std::shared_ptr<dlock_queue> owner, const dlock::Lease& of)
      : Belonging(std::move(owner)), name(of.name()), token(of.token()), fence(of.fence()) {}
};
