/// @file
/// Election: one leader among programs everywhere, which all can see.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/leader_observer.hpp"
#include "dlock/leadership.hpp"
#include "dlock/options.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class LockSpec;
}

/// A `Mutex` whose holder is the leader, and shows all observers a value, usually its address.
/// Thread-safe. Candidates are served in order of arrival. When a leader crashes, the next
/// candidate leads after its ttl; a leader that cannot renew learns it from `Leadership::lost()`
/// before that.
///
/// The election is the lock of its name: a `Mutex` of the same name excludes the leader, and
/// `dlock ls`, `info` and `break` know it.
class DLOCK_API Election {
 public:
  /// Sends nothing. Throws `UsageError` as the constructor of `Mutex` does.
  Election(Client& client, std::string_view name, LockOptions options = {});
  ~Election();
  Election(const Election&) = delete;
  Election& operator=(const Election&) = delete;

  /// Waits until this candidate leads, and proclaims `value`: at most 64 KiB of any bytes, or else
  /// it throws `UsageError`. `stop` ends the wait with `Cancelled`. Throws `TimedOut` when
  /// `LockOptions::wait` is set and has passed, `LockLost` if the leadership ended before the value
  /// was proclaimed, and otherwise what `LeaseSource::acquire()` throws.
  [[nodiscard]] Leadership campaign(std::string_view value, std::stop_token stop = {});
  /// Does the same, but waits for at most `span`.
  template <class Rep, class Period>
  [[nodiscard]] Leadership campaign_within(const std::chrono::duration<Rep, Period>& span,
                                           std::string_view value, std::stop_token stop = {}) {
    return campaign_in(detail::in_ms(span), value, stop);
  }
  /// Leads, and proclaims `value`, if nobody else leads now. Throws as `campaign()` does.
  [[nodiscard]] std::optional<Leadership> try_campaign(std::string_view value);
  /// Waits for at most `span` to lead. Throws as `campaign()` does.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<Leadership> try_campaign_for(
      const std::chrono::duration<Rep, Period>& span, std::string_view value,
      std::stop_token stop = {}) {
    return try_campaign_in(detail::in_ms(span), value, std::move(stop));
  }
  /// Waits until `deadline`, which may be of any clock, to lead. Throws as `campaign()` does.
  template <class Clock, class Span>
  [[nodiscard]] std::optional<Leadership> try_campaign_until(
      const std::chrono::time_point<Clock, Span>& deadline, std::string_view value,
      std::stop_token stop = {}) {
    return try_campaign_in(detail::until(deadline), value, std::move(stop));
  }

  /// The present leader; none if there is none, or if it has not proclaimed a value yet. Asks over
  /// a connection of its own. Candidates and others may ask. Throws `Unreachable`, `Refused` or
  /// `StoreUnusable` when the store cannot be used.
  [[nodiscard]] std::optional<Leader> leader() const;
  /// Reports the leader, and each change.
  [[nodiscard]] LeaderObserver observe() const;
  /// Calls `handler` with the leader, and with each change, on a thread of its own, until the
  /// returned object is destroyed.
  [[nodiscard]] LeaderWatch observe(LeaderHandler handler) const;

  /// The name, without the client's prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  Leadership campaign_in(std::optional<std::chrono::milliseconds> limit, std::string_view value,
                         const std::stop_token& stop);
  std::optional<Leadership> try_campaign_in(std::chrono::milliseconds span, std::string_view value,
                                            std::stop_token stop);
  std::shared_ptr<const detail::LockSpec> spec_;
};

}  // namespace dlock
