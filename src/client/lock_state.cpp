// LockState: checks, acquisitions, and the holds of threads.
#include "client/lock_state.hpp"

#include <algorithm>
#include <iterator>

#include "core/token.hpp"
#include "dlock/error.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t most_bytes = 512 * 1024;
constexpr milliseconds longest_ttl = std::chrono::hours{24 * 3660};

}  // namespace

LockState::LockState(Client& owner, std::string_view lock_name, LockOptions lock_options)
    : client(owner.state()),
      name(lock_name),
      key(client->options().prefix + name),
      options(lock_options) {
  if (key.size() > most_bytes) {
    throw_error(errc::usage,
                "a lock's name with its prefix may have at most 512 KiB, this one has " +
                    std::to_string(key.size()) + " bytes");
  }
  if (key.starts_with(core::token_prefix)) {
    throw_error(errc::usage, "keys that begin with \"" + std::string{core::token_prefix} +
                                 "\" are the library's own; choose another name or prefix");
  }
  if (options.ttl < milliseconds{10} || options.ttl > longest_ttl) {
    throw_error(errc::usage, "ttl is " + std::to_string(options.ttl.count()) +
                                 " ms; it must be from 10 ms to 10 years");
  }
  if (options.max_hold && *options.max_hold <= milliseconds::zero()) {
    throw_error(errc::usage, "max_hold must be longer than zero");
  }
}

std::optional<Lease> LockState::take(std::optional<milliseconds> limit, const std::stop_token& stop,
                                     const std::optional<core::Permits>& permits) const {
  auto record = client->acquire(key, options, limit, stop, permits);
  if (!record) {
    return std::nullopt;
  }
  return Lease{std::make_shared<LeaseState>(client, std::move(record), name)};
}

Lease LockState::take_or_throw(const std::stop_token& stop,
                               const std::optional<core::Permits>& permits) const {
  auto lease = take(options.wait, stop, permits);
  if (!lease) {
    throw_error(errc::timed_out, "the lock \"" + name + "\" was not ours within " +
                                     std::to_string(options.wait->count()) + " ms");
  }
  return std::move(*lease);
}

Lease LockState::exchange(Lease&& former, const core::Permits& permits) const {
  if (!LeaseState::is_of(former, *client, key, permits)) {
    throw_error(errc::usage, "the lease of \"" + former.name() + "\" is not one of the lock \"" +
                                 name + "\" that could give way");
  }
  former.ensure_held();
  const auto state = LeaseState::take_from(former);
  auto record =
      client->acquire(key, options, milliseconds::zero(), {}, permits, state->record.get());
  if (!record) {
    throw_error(errc::lost, "the lock \"" + name + "\" (fence " +
                                std::to_string(state->record->fence.number()) +
                                ") had ended before it could be downgraded");
  }
  return Lease{std::make_shared<LeaseState>(client, std::move(record), name)};
}

// --- threads ------------------------------------------------------------------------------------

LockState::Holds::iterator LockState::own_hold() {
  return std::find_if(holds_.begin(), holds_.end(),
                      [](const Hold& hold) { return hold.thread == std::this_thread::get_id(); });
}

// Of the calling thread; of whoever has it so, if the calling thread has none.
LockState::Holds::iterator LockState::hold_of(Mode mode) {
  auto found = holds_.end();
  for (auto hold = holds_.begin(); hold != holds_.end(); ++hold) {
    if (hold->mode == mode) {
      found = hold;
      if (hold->thread == std::this_thread::get_id()) {
        break;
      }
    }
  }
  return found;
}

void LockState::refuse_recursion(std::string_view advice) {
  client->check_process();
  const std::lock_guard lock{mutex_};
  if (own_hold() != holds_.end()) {
    throw_error(errc::usage, "the lock \"" + name +
                                 "\" is already held through this object by this thread" +
                                 std::string{advice});
  }
}

void LockState::keep(Lease lease, Mode mode) {
  const std::lock_guard lock{mutex_};
  holds_.push_back({std::this_thread::get_id(), std::move(lease), mode, 1});
}

bool LockState::deepen() {
  client->check_process();
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
  if (client->is_forked()) {
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
  client->check_process();
  const std::lock_guard lock{mutex_};
  auto hold = own_hold();
  if (hold == holds_.end() && !holds_.empty()) {
    hold = std::prev(holds_.end());
  }
  if (hold == holds_.end()) {
    throw_error(errc::usage, "the lock \"" + name + "\" is not held through this object");
  }
  return hold->lease;
}

int LockState::depth() noexcept {
  if (client->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{mutex_};
  const auto hold = own_hold();
  return hold == holds_.end() ? 0 : hold->depth;
}

void destroy(std::unique_ptr<LockState>& state) noexcept {
  if (state && state->client->is_forked()) {
    leave_to_parent(std::shared_ptr<LockState>{std::move(state)});
  }
}

}  // namespace dlock::detail
