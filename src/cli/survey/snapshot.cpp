// Snapshot: all locks of a store, as the survey last saw each.
#include "cli/survey/snapshot.hpp"

#include <algorithm>

namespace dlock::cli {

using std::chrono::milliseconds;

bool is_election(const Snapshot& snapshot, const std::string& name) {
  return std::ranges::binary_search(snapshot.elections, name);
}

LockInfo at(const SeenLock& lock, runtime::BootTime now) {
  auto info = lock.info;
  const auto passed = std::chrono::duration_cast<milliseconds>(now - lock.seen_at);
  if (passed <= milliseconds::zero()) return info;
  const auto shorten = [passed](std::optional<milliseconds>& left) {
    if (left) left = std::max(*left - passed, milliseconds::zero());
  };
  const auto age = [passed](milliseconds& since, std::int64_t fence) {
    if (fence != 0) since += passed;
  };
  age(info.since, info.fence);
  shorten(info.ttl_left);
  for (auto& holder : info.holders) {
    age(holder.since, holder.fence);
    shorten(holder.ttl_left);
  }
  for (auto& waiter : info.waiters) waiter.waiting += passed;
  return info;
}

milliseconds longest_wait(const LockInfo& lock) {
  const auto longest = std::ranges::max_element(lock.waiters, {}, &WaiterInfo::waiting);
  return longest == lock.waiters.end() ? milliseconds::zero() : longest->waiting;
}

}  // namespace dlock::cli
