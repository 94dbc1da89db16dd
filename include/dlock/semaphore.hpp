/// @file
/// Semaphore: a number of permits, shared by programs everywhere.
#pragma once

#include <cstdint>
#include <string_view>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease_source.hpp"
#include "dlock/options.hpp"

namespace dlock {

/// A number of permits that all clients of one store share. Thread-safe. Clients are served
/// strictly in order of arrival: one that wants many permits is not overtaken by those that want
/// few. Each acquisition is a `Lease` with a fence of its own, and the permits of a holder that
/// crashed come back when its ttl has passed.
///
/// The semaphore itself is the source of leases of one permit; `permits(n)` is that of `n`.
///
///     dlock::Semaphore gpus{client, "gpu", 4};
///     auto one = gpus.acquire();
///     auto two = gpus.permits(2).try_acquire_for(5s);
///
/// The first client that holds a permit writes down how many there are, for as long as somebody
/// holds one. A client that says another number is refused with `UsageError` until then. A
/// semaphore and a `Mutex` or `SharedMutex` cannot have the same name at the same time.
///
/// There are no priorities in a queue. To keep a permit in reserve for important work, let all
/// other work also take a permit of a second, smaller semaphore, and that first:
///
///     dlock::Semaphore batch{client, "gpu batch", 3};  // of the 4
///     auto place = batch.acquire();                    // batch jobs only
///     auto gpu = gpus.acquire();
class DLOCK_API Semaphore : public LeaseSource {
 public:
  /// `size`: how many permits there are, from 1 to 2^30 - 1; all clients must say the same. Sends
  /// nothing. Throws `UsageError` for a size out of range, for an empty name, for a name that has
  /// more than 512 KiB with the client's prefix or begins with `dlock1:`, and for options out of
  /// range.
  Semaphore(Client& client, std::string_view name, std::int64_t size, LockOptions options = {});
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// The source of leases of `count` permits. Acquiring throws `UsageError` if `count` is less than
  /// 1 or more than `size()` then.
  [[nodiscard]] LeaseSource permits(std::int64_t count) const;

  /// Changes the number of permits, in this object and in the store. New permits go to those that
  /// wait. If there are fewer, holders keep theirs, and nobody gets any before enough came back.
  /// Clients that still say the old number are refused from their next request on; those that wait
  /// look again within 2.5 s. Throws `UsageError` for a size out of range.
  void resize(std::int64_t size);
  /// How many permits there are, as this object says.
  [[nodiscard]] std::int64_t size() const noexcept;
};

}  // namespace dlock
