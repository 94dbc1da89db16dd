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

#include "client/process.hpp"
#include "dlock/async.hpp"
#include "dlock/client.hpp"
#include "dlock/dlock.h"
#include "dlock/leadership.hpp"
#include "dlock/lease.hpp"

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

struct dlock_client {
  dlock::Client client;
};

struct dlock_lock {
  std::function<std::optional<dlock::Lease>(dlock::c::Limit, std::stop_token)> take;
  std::function<void(dlock::c::Limit, dlock::AcquireHandler, std::stop_token)> start;
};

struct dlock_cancel {
  std::stop_source source;
};

/// Thread-safe, unlike the lease or leadership it has.
struct dlock_lease {
  explicit dlock_lease(dlock::Lease&& obtained) : dlock_lease(obtained) {
    lease = std::move(obtained);
  }
  explicit dlock_lease(dlock::Leadership&& won) : dlock_lease(won.lease()) {
    leadership = std::move(won);
  }

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
  explicit dlock_lease(const dlock::Lease& of)
      : name(of.name()), token(of.token()), fence(of.fence()) {}
};
