/// @file
/// Election: one leader among programs everywhere, whom all can see.
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

/// A `Mutex` whose holder is the leader and says a value to all: an address, most often.
/// Thread-safe. Candidates are served in order of arrival. A crashed leader is followed by the next
/// candidate after its ttl; one that cannot renew is told by `Leadership::lost` before that.
///
/// It is the lock of its name: a `Mutex` of the same name excludes the leader, and `dlock ls`,
/// `info` and `break` know it.
class DLOCK_API Election {
 public:
  /// Throws `UsageError` as `Mutex`.
  Election(Client& client, std::string_view name, LockOptions options = {});
  ~Election();
  Election(const Election&) = delete;
  Election& operator=(const Election&) = delete;

  /// Waits until we lead, and proclaims `value`: at most 64 KiB of any bytes, else `UsageError`.
  /// `stop` ends the wait with `Cancelled`. Throws `TimedOut` if `LockOptions::wait` is set and
  /// passes, `LockLost` if it ended before it could be proclaimed, and as `Mutex::acquire`.
  [[nodiscard]] Leadership campaign(std::string_view value, std::stop_token stop = {});
  /// Leads if nobody else does.
  [[nodiscard]] std::optional<Leadership> try_campaign(std::string_view value);
  /// Leads if it comes to that in time.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<Leadership> try_campaign_for(
      const std::chrono::duration<Rep, Period>& span, std::string_view value,
      std::stop_token stop = {}) {
    return try_campaign_in(detail::in_ms(span), value, std::move(stop));
  }
  /// The same with a deadline of any clock.
  template <class Clock, class Span>
  [[nodiscard]] std::optional<Leadership> try_campaign_until(
      const std::chrono::time_point<Clock, Span>& deadline, std::string_view value,
      std::stop_token stop = {}) {
    return try_campaign_in(detail::until(deadline), value, std::move(stop));
  }

  /// Who leads now; none if nobody does, or has not proclaimed yet. On a connection of its own;
  /// needs no candidacy. Throws as `Mutex::acquire`.
  [[nodiscard]] std::optional<Leader> leader() const;
  /// Sees who leads, and each change of it.
  [[nodiscard]] LeaderObserver observe() const;
  /// The same by a handler, on a thread of its own, until what is returned is destroyed.
  [[nodiscard]] LeaderWatch observe(LeaderHandler handler) const;

  /// The name, without the prefix.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  std::optional<Leadership> try_campaign_in(std::chrono::milliseconds span, std::string_view value,
                                            std::stop_token stop);
  std::shared_ptr<const detail::LockSpec> spec_;
};

}  // namespace dlock
