/// @file
/// LeaderObserver: seeing who leads an election, and each change of it.
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

/// Who leads, as it says itself.
struct Leader {
  std::string value;          ///< what it proclaimed: any bytes
  std::int64_t term = 0;      ///< the fence of its leadership: grows with each leader of this name
  std::int64_t revision = 0;  ///< how often it has proclaimed, from 1
};

/// What has changed.
struct LeaderChange {
  /// How it has changed.
  enum class Kind {
    elected,     ///< `leader` leads, who did not before
    proclaimed,  ///< the same leader says something else, or the same again
    vacant,      ///< nobody leads
  };
  Kind kind{};    ///< how
  Leader leader;  ///< who leads now; empty if vacant
};

/// Sees an election as it goes on, on a connection of its own. One thread at a time.
///
/// Changes come in order. What changes twice before it is seen comes as one change, so the last
/// state is never missed, one in between may be. The server tells at once who was elected, said
/// something new, or resigned. A leader that crashed is vacant when its lock has ended by the
/// server's clock; what was not told is seen within 2.5 s.
class DLOCK_API LeaderObserver {
 public:
  /// For the library's own classes.
  explicit LeaderObserver(std::unique_ptr<detail::ElectionWatcher> watcher) noexcept;
  ~LeaderObserver();
  /// Takes over; the other may only be assigned to or destroyed then.
  LeaderObserver(LeaderObserver&&) noexcept;
  /// The same, in place of what it saw.
  LeaderObserver& operator=(LeaderObserver&&) noexcept;

  /// Waits for the next change; the first is what is so now. `stop` ends the wait with `Cancelled`,
  /// within a request timeout. Throws `Unreachable` when there was no answer for five request
  /// timeouts, `Refused`, and `StoreUnusable`; it may be called again after any of them.
  [[nodiscard]] LeaderChange next(std::stop_token stop = {});
  /// A change if it comes in time.
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

/// Called with each change, in order, on a thread of its own. What it throws goes to the client's
/// log.
using LeaderHandler = std::function<void(const LeaderChange&)>;

/// Calls a handler with the changes of an election until it is destroyed, or its `Client` is.
/// Errors go to the client's log; it tries again.
class DLOCK_API LeaderWatch {
 public:
  /// As `Election::observe(LeaderHandler)`: begins at once.
  LeaderWatch(LeaderObserver observer, LeaderHandler handler);
  /// Waits for a call of the handler under way, unless it is that which destroys this, and for at
  /// most one request timeout more.
  ~LeaderWatch();
  /// Takes over.
  LeaderWatch(LeaderWatch&&) noexcept = default;
  LeaderWatch& operator=(LeaderWatch&&) = delete;

 private:
  std::shared_ptr<detail::WatchState> state_;
};

}  // namespace dlock
