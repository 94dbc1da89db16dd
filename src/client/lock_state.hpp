// LockState: what the handles of locks share: name, options, and what threads hold through them.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "client/client_state.hpp"
#include "client/lease_state.hpp"
#include "core/permits.hpp"
#include "dlock/client.hpp"
#include "dlock/lease.hpp"
#include "dlock/options.hpp"

namespace dlock::detail {

/// How a thread holds a lock through an object.
enum class Mode : std::uint8_t { exclusive, shared };

/// Thread-safe.
struct LockState {
  /// Throws `UsageError` for a name or options that make no sense.
  LockState(Client& owner, std::string_view lock_name, LockOptions lock_options);

  /// None: not in time.
  [[nodiscard]] std::optional<Lease> take(std::optional<std::chrono::milliseconds> limit,
                                          const std::stop_token& stop,
                                          const std::optional<core::Permits>& permits = {}) const;
  /// Waits for as long as the options say, then throws `TimedOut`.
  [[nodiscard]] Lease take_or_throw(const std::stop_token& stop,
                                    const std::optional<core::Permits>& permits = {}) const;
  /// In the place of `former`, in one step. Throws `LockLost` if that was over, and `UsageError`,
  /// leaving it alone, if it is another lock's.
  [[nodiscard]] Lease exchange(Lease&& former, const core::Permits& permits) const;

  // By thread, for lock() and unlock().
  /// Throws if the calling thread has it already; `advice` says what to do.
  void refuse_recursion(std::string_view advice);
  void keep(Lease lease, Mode mode = Mode::exclusive);
  /// One more hold, if the calling thread has one.
  [[nodiscard]] bool deepen();
  void unlock(Mode mode = Mode::exclusive) noexcept;
  /// Throws if it is not held through this object.
  [[nodiscard]] const Lease& lease();
  /// How often the calling thread holds it.
  [[nodiscard]] int depth() noexcept;

  std::shared_ptr<ClientState> client;
  std::string name;
  std::string key;
  LockOptions options;

 private:
  struct Hold {
    std::thread::id thread;
    Lease lease;
    Mode mode{};
    int depth = 1;
  };
  using Holds = std::vector<Hold>;
  [[nodiscard]] Holds::iterator own_hold();
  [[nodiscard]] Holds::iterator hold_of(Mode mode);

  std::mutex mutex_;
  Holds holds_;  ///< may have some that were lost and not unlocked yet
};

/// Leaves it to the parent if this is its forked child.
void destroy(std::unique_ptr<LockState>& state) noexcept;

}  // namespace dlock::detail
