// ThreadHolds: the holds of threads.
#include "locks/thread_holds.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/thread_leases.hpp"

namespace dlock::detail {

ThreadHolds::Holds::iterator ThreadHolds::own_hold() {
  return std::find_if(holds_.begin(), holds_.end(),
                      [](const Hold& hold) { return hold.thread == thread_number(); });
}

std::size_t ThreadHolds::count(Mode mode) const {
  return static_cast<std::size_t>(
      std::ranges::count(holds_, mode, [](const Hold& hold) { return hold.mode; }));
}

void ThreadHolds::refuse_recursion(bool is_shared) {
  spec->client->check_process();
  const std::lock_guard lock{mutex_};
  if (own_hold() != holds_.end()) {
    spec->throw_recursion(is_shared);
  }
}

void ThreadHolds::keep(Lease lease, Mode mode) {
  const std::lock_guard lock{mutex_};
  holds_.push_back({thread_number(), std::move(lease), mode, 1});
  lock_in_thread(LeaseState::of(holds_.back().lease), spec.get());
}

bool ThreadHolds::deepen() {
  spec->client->check_process();
  const std::lock_guard lock{mutex_};
  const auto hold = own_hold();
  if (hold == holds_.end()) {
    return false;
  }
  hold->lease.ensure_held();
  ++hold->depth;
  return true;
}

void ThreadHolds::unlock(Mode mode) noexcept {
  if (spec->client->is_forked()) {
    return;  // this process holds nothing, and `mutex_` may stay locked
  }
  Holds over;
  const std::lock_guard lock{mutex_};
  auto hold = own_hold();
  if (hold == holds_.end() || hold->mode != mode) {
    if (unclaimed(mode) + 1 < count(mode)) {
      ++unclaimed(mode);
      return;
    }
    hold = std::ranges::find(holds_, mode, [](const Hold& one) { return one.mode; });
  }
  if (hold == holds_.end() || --hold->depth > 0) {
    return;
  }
  over.splice(over.end(), holds_, hold);
  if (unclaimed(mode) > 0 && unclaimed(mode) == count(mode)) {
    unclaimed(mode) = 0;
    for (auto rest = holds_.begin(); rest != holds_.end();) {
      const auto one = rest++;
      if (one->mode == mode) over.splice(over.end(), holds_, one);
    }
  }
  // `lock` ends before `over`, so that no thread is blocked during the release.
}

void ThreadHolds::refuse_lease() const {
  throw_error(errc::usage,
              "the lock \"" + spec->name + "\" is not held through this object by this thread");
}

const Lease& ThreadHolds::lease() {
  spec->client->check_process();
  const std::lock_guard lock{mutex_};
  const auto hold = own_hold();
  if (hold == holds_.end()) {
    refuse_lease();
  }
  return hold->lease;
}

// The last one, if there are several: the others were lost.
void ThreadHolds::adopt() {
  spec->client->check_process();
  const std::lock_guard lock{mutex_};
  if (own_hold() != holds_.end()) {
    return;
  }
  if (holds_.empty()) {
    refuse_lease();
  }
  holds_.back().thread = thread_number();
  lock_in_thread(LeaseState::of(holds_.back().lease), spec.get());
}

int ThreadHolds::depth() noexcept {
  if (spec->client->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{mutex_};
  const auto hold = own_hold();
  return hold == holds_.end() ? 0 : hold->depth;
}

void destroy(std::unique_ptr<ThreadHolds>& state) noexcept {
  if (state && state->spec->client->is_forked()) {
    leave_to_parent(std::shared_ptr<ThreadHolds>{std::move(state)});
  }
}

}  // namespace dlock::detail
