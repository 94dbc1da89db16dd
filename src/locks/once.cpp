// Once in a period: a lease without renewal, whose release keeps the lock closed for a while.
#include "dlock/once.hpp"

#include <algorithm>
#include <string>

#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "runtime/clock.hpp"

namespace dlock {
namespace {

using std::chrono::milliseconds;

void check(const OnceOptions& options) {
  if (options.at_least <= milliseconds::zero() || options.at_least > options.at_most) {
    throw_error(errc::usage, "at_least is " + std::to_string(options.at_least.count()) +
                                 " ms; it must be longer than zero, and not longer than at_most, " +
                                 std::to_string(options.at_most.count()) + " ms");
  }
}

}  // namespace

std::optional<Lease> begin_once(Client& client, std::string_view name, OnceOptions options) {
  check(options);
  const detail::LockSpec lock{client, name,
                              LockOptions{.ttl = options.at_most,
                                          .renew = false,
                                          .min_replicas = options.min_replicas,
                                          .replication_timeout = options.replication_timeout}};
  auto lease = lock.take(milliseconds::zero(), {});
  if (lease) {
    detail::LeaseState::keep_until(*lease,
                                   runtime::now() + std::min(options.at_least, lock.options.ttl));
  }
  return lease;
}

void detail::end_once(Lease lease) {
  try {
    lease.release();
  } catch (const Unreachable&) {
    // The work is done, and the client repeats the release.
    return;
  }
}

}  // namespace dlock
