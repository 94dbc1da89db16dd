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

#include "client/process.hpp"
#include "dlock/async.hpp"
#include "dlock/client.hpp"
#include "dlock/dlock.h"
#include "dlock/lease.hpp"

namespace dlock::c {

using Limit = std::optional<std::chrono::milliseconds>;  ///< of a wait; none: for ever

/// A C function and the pointer that goes with it.
struct LostCall {
  dlock_lost_handler handler;
  void* context;
  void operator()() const { handler(context); }
};

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

/// Thread-safe, unlike the lease it has.
struct dlock_lease {
  explicit dlock_lease(dlock::Lease obtained)
      : name(obtained.name()),
        token(obtained.token()),
        fence(obtained.fence()),
        lease(std::move(obtained)) {}

  // These outlast a release.
  const std::string name;
  const std::string token;
  const std::int64_t fence;
  const std::uint64_t generation = dlock::detail::fork_generation();

  mutable std::mutex mutex;
  dlock::Lease lease;
  std::stop_token lost;  ///< since somebody asked for it
  std::list<std::stop_callback<dlock::c::LostCall>> watches;

  [[nodiscard]] bool is_forked() const noexcept {
    return generation != dlock::detail::fork_generation();
  }
};
