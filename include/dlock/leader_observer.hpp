/// @file
/// LeaderObserver: the leader of an election, and each change.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "dlock/export.h"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class ElectionWatcher;
struct WatchState;
}  // namespace detail

/// A leader and its value.
struct Leader {
  std::string value;          ///< the value that it proclaimed: any bytes
  std::int64_t term = 0;      ///< the fence of its leadership: grows with each leader of this name
  std::int64_t revision = 0;  ///< how often it has proclaimed, from 1
};

/// A change of the leader or its value.
struct LeaderChange {
  /// The kind of change.
  enum class Kind {
    elected,     ///< `leader` is new
    proclaimed,  ///< the same leader proclaimed another value, or the same again
    vacant,      ///< nobody leads
  };
  Kind kind{};    ///< the kind of change
  Leader leader;  ///< the leader now; empty if vacant
};

/// Reports the changes of an election, over a connection of its own. For one thread at a time.
///
/// Changes come in order. Two changes that happen before the first is seen come as one, so a state
/// in between may be missed, but never the last one. The server reports at once when a leader is
/// elected, proclaims something, or resigns. A leader that crashed counts as gone when its lock has
/// ended by the server's clock. If a report was lost, the observer finds the change within 2.5 s.
class DLOCK_API LeaderObserver {
 public:
  /// For the library's own classes.
  explicit LeaderObserver(std::unique_ptr<detail::ElectionWatcher> watcher) noexcept;
  ~LeaderObserver();
  /// Takes over the observation of the other, which may then only be assigned to or destroyed.
  LeaderObserver(LeaderObserver&&) noexcept;
  /// Ends its own observation, and takes over that of the other.
  LeaderObserver& operator=(LeaderObserver&&) noexcept;

  /// Waits for the next change; the first is the present state. `stop` ends the wait with
  /// `Cancelled`, within one request timeout. Throws `Unreachable` when no server has answered for
  /// `ClientOptions::patience`, `Refused`, and `StoreUnusable`; it may be called again after each.
  [[nodiscard]] LeaderChange next(std::stop_token stop = {});
  /// Waits for at most `span`, and returns the next change if it came in time. Throws as `next()`
  /// does.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<LeaderChange> next_for(const std::chrono::duration<Rep, Period>& span,
                                                     std::stop_token stop = {}) {
    return next_in(detail::in_ms(span), std::move(stop));
  }

 private:
  std::optional<LeaderChange> next_in(std::chrono::milliseconds span, std::stop_token stop);
  friend class LeaderWatch;
  std::unique_ptr<detail::ElectionWatcher> watcher_;
};

/// Receives each change, in order, on a thread of its own. Its exceptions are reported to the
/// client's log.
using LeaderHandler = std::function<void(const LeaderChange&)>;

/// Calls a handler with the changes of an election until it is destroyed, or its `Client` is.
/// Errors are reported to the client's log, and it tries again.
class DLOCK_API LeaderWatch {
 public:
  /// Begins at once to call `handler` with what `observer` reports.
  LeaderWatch(LeaderObserver observer, LeaderHandler handler);
  /// Waits for a call of the handler that is under way (unless that call destroys this object), and
  /// for at most one request timeout more.
  ~LeaderWatch();
  /// Takes over the watch of the other.
  LeaderWatch(LeaderWatch&&) noexcept = default;
  LeaderWatch& operator=(LeaderWatch&&) = delete;

 private:
  std::shared_ptr<detail::WatchState> state_;
};

}  // namespace dlock
