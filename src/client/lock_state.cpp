// LockState: the holds of threads.
#include "client/lock_state.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "client/holdings.hpp"
#include "client/lease_state.hpp"
#include "dlock/error.hpp"

namespace dlock::detail {

LockState::Holds::iterator LockState::own_hold() {
  return std::find_if(holds_.begin(), holds_.end(),
                      [](const Hold& hold) { return hold.thread == thread_number(); });
}

// Of the calling thread; of whoever has it so, if the calling thread has none.
LockState::Holds::iterator LockState::hold_of(Mode mode) {
  auto found = holds_.end();
  for (auto hold = holds_.begin(); hold != holds_.end(); ++hold) {
    if (hold->mode == mode) {
      found = hold;
      if (hold->thread == thread_number()) {
        break;
      }
    }
  }
  return found;
}

void LockState::refuse_recursion(std::string_view advice) {
  target->client->check_process();
  const std::lock_guard lock{mutex_};
  if (own_hold() != holds_.end()) {
    throw_error(errc::usage, "the lock \"" + target->name +
                                 "\" is already held through this object by this thread" +
                                 std::string{advice});
  }
}

void LockState::keep(Lease lease, Mode mode) {
  const std::lock_guard lock{mutex_};
  holds_.push_back({thread_number(), std::move(lease), mode, 1});
  bind_to_thread(LeaseState::of(holds_.back().lease));
}

bool LockState::deepen() {
  target->client->check_process();
  const std::lock_guard lock{mutex_};
  const auto hold = own_hold();
  if (hold == holds_.end()) {
    return false;
  }
  hold->lease.ensure_held();
  ++hold->depth;
  return true;
}

void LockState::unlock(Mode mode) noexcept {
  if (target->client->is_forked()) {
    return;  // nothing is held here, and `mutex_` may be locked for ever
  }
  Lease last;
  const std::lock_guard lock{mutex_};
  const auto hold = hold_of(mode);
  if (hold != holds_.end() && --hold->depth == 0) {
    last = std::move(hold->lease);
    holds_.erase(hold);
  }
  // `lock` ends before `last`: nobody is kept out while the release is under way.
}

const Lease& LockState::lease() {
  target->client->check_process();
  const std::lock_guard lock{mutex_};
  auto hold = own_hold();
  if (hold == holds_.end() && !holds_.empty()) {
    hold = std::prev(holds_.end());
  }
  if (hold == holds_.end()) {
    throw_error(errc::usage, "the lock \"" + target->name + "\" is not held through this object");
  }
  return hold->lease;
}

int LockState::depth() noexcept {
  if (target->client->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{mutex_};
  const auto hold = own_hold();
  return hold == holds_.end() ? 0 : hold->depth;
}

void destroy(std::unique_ptr<LockState>& state) noexcept {
  if (state && state->target->client->is_forked()) {
    leave_to_parent(std::shared_ptr<LockState>{std::move(state)});
  }
}

}  // namespace dlock::detail
