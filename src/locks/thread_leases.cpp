// ThreadLeases: the leases that the calling thread must release itself.
#include "locks/thread_leases.hpp"

#include <algorithm>
#include <atomic>

#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "runtime/clock.hpp"
#include "runtime/of_thread.hpp"
#include "runtime/outer_runs.hpp"

namespace dlock::detail {
namespace {

constexpr std::size_t max_tokens = 64;  ///< each becomes a key on the server during a long wait

}  // namespace

std::uint64_t thread_number() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t number = ++last;
  return number;
}

void bind_to_thread(const std::shared_ptr<LeaseState>& lease) {
  ThreadLeases::of_this_thread().add(lease);
}

void lock_in_thread(const std::shared_ptr<LeaseState>& lease, const void* object) {
  bind_to_thread(lease);
  lease->locked_through = object;
}

ThreadLeases& ThreadLeases::of_this_thread() { return runtime::of_thread<ThreadLeases>(); }

void ThreadLeases::add(const std::shared_ptr<LeaseState>& lease) {
  lease->thread = thread_;
  if (!leases_.empty() && leases_.back().lock() == lease) {
    return;  // on its way to the user
  }
  if (leases_.size() >= room_) {
    std::erase_if(leases_, [this](const auto& each) { return !is_ours(each); });
    room_ = std::max<std::size_t>(8, 2 * leases_.size());
  }
  leases_.push_back(lease);
}

bool ThreadLeases::is_ours(const std::weak_ptr<LeaseState>& lease) const {
  const auto state = lease.lock();
  return state && state->thread == thread_;
}

bool ThreadLeases::any() {
  while (!leases_.empty() && !is_ours(leases_.back())) leases_.pop_back();
  return !leases_.empty() || runtime::has_outer_runs();
}

std::vector<std::string> ThreadLeases::tokens(const Session& client) const {
  auto tokens = runtime::tokens_of_outer_runs();
  for (auto each = leases_.rbegin(); each != leases_.rend() && tokens.size() < max_tokens; ++each) {
    const auto lease = each->lock();
    if (lease && lease->session == &client && lease->thread == thread_) {
      tokens.emplace_back(lease->record->token);
    }
  }
  return tokens;
}

ThreadLeases::Conflict ThreadLeases::conflict(const LockSpec& wanted,
                                              const std::optional<core::Permits>& permits) const {
  const auto excludes = [&](const LeaseState& lease) {
    if (lease.session != wanted.client.get() || lease.record->key != wanted.key ||
        lease.record->left(runtime::now()) == core::Duration::zero()) {
      return false;
    }
    const auto weight = core::weight_of(lease.record->token).value_or(0);
    return permits ? weight + permits->weight > permits->capacity
                   : lease.record->kind == core::Kind::mutex;
  };
  auto found = Conflict::none;
  auto looked_at = std::min(leases_.size(), max_tokens);
  for (auto each = leases_.rbegin(); looked_at > 0; ++each, --looked_at) {
    const auto lease = each->lock();
    if (!lease || lease->thread != thread_ || lease->locked_through == nullptr) {
      continue;
    }
    if (lease->locked_through == &wanted) {
      return Conflict::same_object;
    }
    if (excludes(*lease)) {
      found = Conflict::other_object;
    }
  }
  return found;
}

}  // namespace dlock::detail
