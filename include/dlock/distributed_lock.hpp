/// @file
/// DistributedLock: hold a lock for the length of a scope.
#pragma once

#include <string_view>

#include "dlock/client.hpp"
#include "dlock/lease.hpp"
#include "dlock/mutex.hpp"
#include "dlock/options.hpp"

namespace dlock {

/// Waits for the lock in the constructor and releases it in the destructor. It is a `Lease`, with
/// all of its members.
///
///     dlock::Client client;
///     {
///       dlock::DistributedLock lock{client, "register_user"};
///       ...                       // nobody else is here, on any machine
///     }
///
/// The lease is renewed for as long as the object lives. The option `ttl` says how long the lock
/// outlives this process if it crashes, `wait` how long to wait for the lock at most:
///
///     dlock::DistributedLock lock{client, "register_user", {.ttl = 10s, .wait = 2s}};
class DistributedLock : public Lease {
 public:
  /// Waits for the lock. Throws `TimedOut` when `LockOptions::wait` is set and has passed, and
  /// otherwise what the constructor of `Mutex` and `Mutex::acquire()` throw.
  [[nodiscard]] DistributedLock(Client& client, std::string_view name, LockOptions options = {})
      : Lease(Mutex{client, name, options}.acquire()) {
    bind();
  }
};

}  // namespace dlock
