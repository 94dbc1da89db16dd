// The objects behind the opaque handles of dlock.h.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "c/lease.hpp"
#include "c/queue.hpp"
#include "dlock/client.hpp"
#include "dlock/dlock.h"
#include "dlock/lease_source.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"

namespace dlock::c {

using Limit = std::optional<std::chrono::milliseconds>;  ///< of a wait; none: no limit

/// How to get what a lock handle stands for.
struct Ways {
  std::optional<LeaseSource> source{};
  /// Instead of a source, of what is no plain lease: needs a thread. Throws `TimedOut`.
  std::function<Right(Limit, std::stop_token)> take_special{};
  std::shared_ptr<SharedMutex> shared_mutex{};  ///< of a reader, writer or upgradeable reader
  std::shared_ptr<Semaphore> semaphore{};       ///< of permits
};

}  // namespace dlock::c

// An object made with a client that has a queue belongs to that queue too.

struct dlock_client : dlock::c::Belonging {
  dlock_client(std::shared_ptr<dlock_queue> of, dlock::Client&& made)
      : Belonging(std::move(of)), client(std::move(made)) {}
  void close() noexcept override;
  dlock::Client client;
};

struct dlock_lock : dlock::c::Belonging {
  dlock_lock(std::shared_ptr<dlock_queue> of, dlock::c::Ways made)
      : Belonging(std::move(of)), ways(std::move(made)) {}
  /// Throws `TimedOut`.
  [[nodiscard]] dlock::c::Right take(dlock::c::Limit limit, std::stop_token stop) const;
  const dlock::c::Ways ways;
};

struct dlock_cancel {
  std::stop_source source;
};
