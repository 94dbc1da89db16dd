// The Mutex and RecursiveMutex handles.
#include "dlock/mutex.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "client/lease_state.hpp"
#include "client/target.hpp"
#include "dlock/error.hpp"

namespace dlock {
namespace detail {

/// Of the calling thread; unlike its std::thread::id never given to another.
std::uint64_t thread_number() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t number = ++last;
  return number;
}

/// What a thread holds through the object by lock().
struct Hold {
  std::uint64_t thread;
  Lease lease;
  int depth = 1;
};

struct MutexState {
  std::shared_ptr<const Target> target;

  mutable std::mutex mutex;
  std::vector<Hold> holds;  ///< one, but for holds that were lost and not unlocked yet

  MutexState(Client& owner, std::string_view lock_name, LockOptions lock_options)
      : target(std::make_shared<Target>(owner, lock_name, lock_options)) {}

  [[nodiscard]] bool is_forked() const noexcept { return target->client->is_forked(); }

  /// Of the calling thread; of whoever has it, if the calling thread has none.
  [[nodiscard]] std::vector<Hold>::iterator mine() {
    const auto own = own_hold();
    return own == holds.end() && !holds.empty() ? std::prev(holds.end()) : own;
  }
  [[nodiscard]] std::vector<Hold>::iterator own_hold() {
    return std::find_if(holds.begin(), holds.end(),
                        [](const Hold& hold) { return hold.thread == thread_number(); });
  }

  void refuse_recursion() {
    target->client->check_process();
    const std::lock_guard lock{mutex};
    if (own_hold() != holds.end()) {
      throw_error(errc::usage, "the lock \"" + target->name +
                                   "\" is already held through this Mutex by this thread; use "
                                   "RecursiveMutex to lock it more than once");
    }
  }
  void keep(Lease lease) {
    const std::lock_guard lock{mutex};
    holds.push_back({thread_number(), std::move(lease), 1});
  }
  /// One more hold, if the calling thread has one.
  [[nodiscard]] bool deepen() {
    target->client->check_process();
    const std::lock_guard lock{mutex};
    const auto hold = own_hold();
    if (hold == holds.end()) {
      return false;
    }
    hold->lease.ensure_held();
    ++hold->depth;
    return true;
  }
  void unlock() noexcept {
    if (is_forked()) {
      return;  // nothing is held here, and `mutex` may be locked for ever
    }
    Lease last;
    const std::lock_guard lock{mutex};
    const auto hold = mine();
    if (hold != holds.end() && --hold->depth == 0) {
      last = std::move(hold->lease);
      holds.erase(hold);
    }
    // `lock` ends before `last`: nobody is kept out while the release is under way.
  }
  [[nodiscard]] const Lease& lease() {
    target->client->check_process();
    const std::lock_guard lock{mutex};
    const auto hold = mine();
    if (hold == holds.end()) {
      throw_error(errc::usage, "the lock \"" + target->name + "\" is not held through this object");
    }
    return hold->lease;
  }
};

namespace {

void destroy(std::unique_ptr<MutexState>& state) noexcept {
  if (state && state->is_forked()) {
    leave_to_parent(std::shared_ptr<MutexState>{std::move(state)});
  }
}

}  // namespace
}  // namespace detail

Mutex::Mutex(Client& client, std::string_view name, LockOptions options)
    : state_(std::make_unique<detail::MutexState>(client, name, options)) {}

Mutex::~Mutex() { detail::destroy(state_); }

void Mutex::lock() {
  state_->refuse_recursion();
  state_->keep(state_->target->take_or_throw({}));
}

bool Mutex::try_lock() { return try_lock_in({}); }

bool Mutex::try_lock_in(std::chrono::milliseconds span) {
  state_->refuse_recursion();
  auto lease = state_->target->take(span, {});
  if (lease) {
    state_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void Mutex::unlock() noexcept { state_->unlock(); }

const Lease& Mutex::lease() const { return state_->lease(); }

Lease Mutex::acquire(std::stop_token stop) {
  state_->refuse_recursion();
  return state_->target->take_or_throw(stop);
}

std::optional<Lease> Mutex::try_acquire() { return try_acquire_in({}, {}); }

std::optional<Lease> Mutex::try_acquire_in(std::chrono::milliseconds span, std::stop_token stop) {
  state_->refuse_recursion();
  return state_->target->take(span, stop);
}

AsyncAcquire Mutex::async_acquire(std::stop_token stop) {
  return AsyncAcquire{[target = state_->target, stop = std::move(stop)](AcquireHandler handler) {
    target->async_take(target->options.wait, stop, std::move(handler));
  }};
}

void Mutex::async_acquire(AcquireHandler handler, std::stop_token stop) {
  state_->target->async_take(state_->target->options.wait, stop, std::move(handler));
}

AsyncTryAcquire Mutex::async_try_acquire_in(std::chrono::milliseconds span, std::stop_token stop) {
  return AsyncTryAcquire{
      [target = state_->target, span, stop = std::move(stop)](AcquireHandler handler) {
        target->async_take(span, stop, std::move(handler));
      }};
}

void Mutex::async_try_acquire_in(std::chrono::milliseconds span, AcquireHandler handler,
                                 std::stop_token stop) {
  state_->target->async_take(span, stop, std::move(handler));
}

const std::string& Mutex::name() const noexcept { return state_->target->name; }

RecursiveMutex::RecursiveMutex(Client& client, std::string_view name, LockOptions options)
    : state_(std::make_unique<detail::MutexState>(client, name, options)) {}

RecursiveMutex::~RecursiveMutex() { detail::destroy(state_); }

void RecursiveMutex::lock() {
  if (!state_->deepen()) {
    state_->keep(state_->target->take_or_throw({}));
  }
}

bool RecursiveMutex::try_lock() { return try_lock_in({}); }

bool RecursiveMutex::try_lock_in(std::chrono::milliseconds span) {
  if (state_->deepen()) {
    return true;
  }
  auto lease = state_->target->take(span, {});
  if (lease) {
    state_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void RecursiveMutex::unlock() noexcept { state_->unlock(); }

const Lease& RecursiveMutex::lease() const { return state_->lease(); }

int RecursiveMutex::depth() const noexcept {
  if (state_->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{state_->mutex};
  const auto hold = state_->own_hold();
  return hold == state_->holds.end() ? 0 : hold->depth;
}

const std::string& RecursiveMutex::name() const noexcept { return state_->target->name; }

}  // namespace dlock
