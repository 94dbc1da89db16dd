// Renewals: chooses the leases to renew next. Only a few calls are under way at once, and the lease
// that ends first goes first.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/cohort.hpp"
#include "core/wire/command.hpp"
#include "core/wire/time.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

/// The leases of one call. When the reply comes, they may be over or replaced by later ones.
struct RenewalBatch {
  std::vector<CohortPtr> cohorts;
  std::vector<RandomBits> randoms;  ///< of their tokens, to tell them from later ones
  std::vector<int> sequences;       ///< of their fences, as the call carries them
  std::vector<Duration> spans;      ///< from the call on, for which they live; zero: unchanged

  /// Whether the lease at `i` is still the one in the call.
  [[nodiscard]] bool is_current(std::size_t i) const {
    return cohorts[i]->hold && random_of(cohorts[i]->hold->record()->token) == randoms[i];
  }
};

/// Appends the arguments by which the renewal script knows a lease.
void append_renewal(std::vector<std::string>& args, const LeaseRecord& record, std::int64_t ttl_ms);

/// Knows no connection: its engine sends the calls. Not thread-safe.
class Renewals {
 public:
  explicit Renewals(Duration request_timeout) : request_timeout_(request_timeout) {}

  /// Leases of a kind that are due soon, among them the first of `timers`: enough for one call.
  [[nodiscard]] static std::vector<CohortPtr> due(Instant now, Timers& timers);
  /// Whether a call may leave at once, since nothing waits before it.
  [[nodiscard]] bool is_free() const;
  /// Leases that cannot be renewed at once; `next` returns them.
  void queue(const std::vector<CohortPtr>& due);
  /// The leases for the next call; none: nothing is due, or enough calls are under way. Leases last
  /// renewed before the connection come when nothing else is due: their server may have lost them.
  [[nodiscard]] std::vector<CohortPtr> next(Instant now);
  /// Returns a call that renews `due`, which are of one kind, and counts it as under way.
  [[nodiscard]] Command call(Instant now, const std::vector<CohortPtr>& due, RenewalBatch& batch);

  void on_connected(Instant now, Timers& timers);
  void on_disconnected();
  /// The server answered the first of the calls under way.
  void on_reply() { calls_.pop_front(); }
  void on_good_reply() { is_patient_ = false; }
  /// The engine gave up a connection because a reply did not come. If that was a renewal, the next
  /// ones get more time: otherwise a slow server could never answer one.
  void on_timeout() { is_patient_ = is_patient_ || !calls_.empty(); }

  struct Call {
    Instant sent;
    Duration timeout{};  ///< how long its reply may take
  };
  [[nodiscard]] const std::deque<Call>& calls() const { return calls_; }

 private:
  [[nodiscard]] std::vector<CohortPtr> take_backlog();
  [[nodiscard]] std::vector<CohortPtr> take_unconfirmed(Instant now, std::deque<CohortPtr>& from);

  Duration request_timeout_;
  std::deque<Call> calls_;
  bool is_patient_ = false;
  /// Leases whose renewal is due and waits in the queue; the one that ends first comes first.
  std::map<std::pair<Instant, std::uint64_t>, CohortPtr> backlog_;
  /// The leases of earlier connections; the one whose timer is due first comes first.
  std::map<Kind, std::deque<CohortPtr>> unconfirmed_;
  Instant connected_at_;
};

}  // namespace dlock::core
