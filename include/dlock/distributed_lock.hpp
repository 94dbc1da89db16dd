/// @file
/// DistributedLock: hold a lock for the length of a scope.
#pragma once

#include <chrono>
#include <string_view>

#include "dlock/mutex.hpp"

namespace dlock {

/// Waits for the lock in the constructor, releases it in the destructor. Has all of `Lease`.
///
///     dlock::Client client;
///     {
///       dlock::DistributedLock lock{client, "register_user", 30s};
///       ...                       // nobody else is here, on any machine
///     }
class DistributedLock : public Lease {
 public:
  /// Throws as `Mutex::acquire()`.
  DistributedLock(Client& client, std::string_view name, Span ttl)
      : DistributedLock(client, name, LockOptions{.ttl = ttl}) {}
  /// With options. Throws as `Mutex::acquire()`.
  DistributedLock(Client& client, std::string_view name, LockOptions options = {})
      : Lease(Mutex{client, name, options}.acquire()) {
    bind();
  }
};

}  // namespace dlock
