// Once in a period: a lease without renewal, whose release keeps the lock closed for a while.
#include "dlock/once.hpp"

#include <algorithm>
#include <string>

#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "locks/once_lock.hpp"
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
  return detail::OnceLock{client, name, options}.begin();
}

detail::OnceLock::OnceLock(Client& client, std::string_view name, const OnceOptions& options) {
  check(options);
  lock_ =
      std::make_shared<LockSpec>(client, name,
                                 LockOptions{.ttl = options.at_most,
                                             .renew = false,
                                             .min_replicas = options.min_replicas,
                                             .replication_timeout = options.replication_timeout});
  at_least_ = std::min(options.at_least, lock_->options.ttl);
}

std::optional<Lease> detail::OnceLock::begin() const {
  auto lease = lock_->take(milliseconds::zero(), {});
  if (lease) {
    LeaseState::keep_until(*lease, runtime::now() + at_least_);
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
