// The Mutex and RecursiveMutex handles.
#include "dlock/mutex.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include "client/client_state.hpp"
#include "client/lease_state.hpp"
#include "core/token.hpp"
#include "dlock/error.hpp"

namespace dlock {
namespace detail {

using std::chrono::milliseconds;

/// What a thread holds through the object by lock().
struct Hold {
  std::thread::id thread;
  Lease lease;
  int depth = 1;
};

struct MutexState {
  std::shared_ptr<ClientState> client;
  std::string name;
  std::string key;
  LockOptions options;

  mutable std::mutex mutex;
  std::vector<Hold> holds;  ///< one, but for holds that were lost and not unlocked yet

  MutexState(Client& owner, std::string_view lock_name, LockOptions lock_options)
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

  [[nodiscard]] std::optional<Lease> take(std::optional<milliseconds> limit,
                                          const std::stop_token& stop) const {
    auto record = client->acquire(key, options, limit, stop);
    if (!record) {
      return std::nullopt;
    }
    return Lease{std::make_shared<LeaseState>(client, std::move(record), name)};
  }

  [[nodiscard]] Lease take_or_throw(const std::stop_token& stop) const {
    auto lease = take(options.wait, stop);
    if (!lease) {
      throw_error(errc::timed_out, "the lock \"" + name + "\" was not ours within " +
                                       std::to_string(options.wait->count()) + " ms");
    }
    return std::move(*lease);
  }

  /// Of the calling thread; of whoever has it, if the calling thread has none.
  [[nodiscard]] std::vector<Hold>::iterator mine() {
    const auto own = own_hold();
    return own == holds.end() && !holds.empty() ? std::prev(holds.end()) : own;
  }
  [[nodiscard]] std::vector<Hold>::iterator own_hold() {
    return std::find_if(holds.begin(), holds.end(),
                        [](const Hold& hold) { return hold.thread == std::this_thread::get_id(); });
  }

  void refuse_recursion() {
    client->check_process();
    const std::lock_guard lock{mutex};
    if (own_hold() != holds.end()) {
      throw_error(errc::usage, "the lock \"" + name +
                                   "\" is already held through this Mutex by this thread; use "
                                   "RecursiveMutex to lock it more than once");
    }
  }
  void keep(Lease lease) {
    const std::lock_guard lock{mutex};
    holds.push_back({std::this_thread::get_id(), std::move(lease), 1});
  }
  /// One more hold, if the calling thread has one.
  [[nodiscard]] bool deepen() {
    client->check_process();
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
    if (client->is_forked()) {
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
    client->check_process();
    const std::lock_guard lock{mutex};
    const auto hold = mine();
    if (hold == holds.end()) {
      throw_error(errc::usage, "the lock \"" + name + "\" is not held through this object");
    }
    return hold->lease;
  }

  static constexpr std::size_t most_bytes = 512 * 1024;
  static constexpr milliseconds longest_ttl = std::chrono::hours{24 * 3660};
};

namespace {

void destroy(std::unique_ptr<MutexState>& state) noexcept {
  if (state && state->client->is_forked()) {
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
  state_->keep(state_->take_or_throw({}));
}

bool Mutex::try_lock() { return try_lock_in({}); }

bool Mutex::try_lock_in(std::chrono::milliseconds span) {
  state_->refuse_recursion();
  auto lease = state_->take(span, {});
  if (lease) {
    state_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void Mutex::unlock() noexcept { state_->unlock(); }

const Lease& Mutex::lease() const { return state_->lease(); }

Lease Mutex::acquire(std::stop_token stop) {
  state_->refuse_recursion();
  return state_->take_or_throw(stop);
}

std::optional<Lease> Mutex::try_acquire() { return try_acquire_in({}, {}); }

std::optional<Lease> Mutex::try_acquire_in(std::chrono::milliseconds span, std::stop_token stop) {
  state_->refuse_recursion();
  return state_->take(span, stop);
}

const std::string& Mutex::name() const noexcept { return state_->name; }

RecursiveMutex::RecursiveMutex(Client& client, std::string_view name, LockOptions options)
    : state_(std::make_unique<detail::MutexState>(client, name, options)) {}

RecursiveMutex::~RecursiveMutex() { detail::destroy(state_); }

void RecursiveMutex::lock() {
  if (!state_->deepen()) {
    state_->keep(state_->take_or_throw({}));
  }
}

bool RecursiveMutex::try_lock() { return try_lock_in({}); }

bool RecursiveMutex::try_lock_in(std::chrono::milliseconds span) {
  if (state_->deepen()) {
    return true;
  }
  auto lease = state_->take(span, {});
  if (lease) {
    state_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void RecursiveMutex::unlock() noexcept { state_->unlock(); }

const Lease& RecursiveMutex::lease() const { return state_->lease(); }

int RecursiveMutex::depth() const noexcept {
  if (state_->client->is_forked()) {
    return 0;
  }
  const std::lock_guard lock{state_->mutex};
  const auto hold = state_->own_hold();
  return hold == state_->holds.end() ? 0 : hold->depth;
}

const std::string& RecursiveMutex::name() const noexcept { return state_->name; }

}  // namespace dlock
