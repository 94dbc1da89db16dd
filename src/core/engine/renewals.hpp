// Renewals: which leases are renewed next. At most a few calls are under way, and the lease that
// ends first goes first.
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

/// The leases of one call. By the time of its reply they may be over, or others in their place.
struct RenewalBatch {
  std::vector<CohortPtr> cohorts;
  std::vector<RandomBits> randoms;  ///< of their tokens, to tell them from later ones
  std::vector<int> sequences;       ///< of their fences, as they were written down

  /// Whether the lease at `i` is still the one that was renewed.
  [[nodiscard]] bool is_current(std::size_t i) const {
    return cohorts[i]->hold && random_of(cohorts[i]->hold->record()->token) == randoms[i];
  }
};

/// Knows no connection: its engine sends the calls. Not thread-safe.
class Renewals {
 public:
  explicit Renewals(Duration request_timeout) : request_timeout_(request_timeout) {}

  /// Queues all of a kind that are due soon, of which the first of `timers` is one, and gives
  /// those.
  std::vector<CohortPtr> queue_due(Instant now, const Timers& timers);
  /// Which leases the next call renews; none: nothing is to be renewed, or enough is under way.
  /// What was last renewed before `connected_at` goes when nothing else has to: its server may have
  /// lost it.
  [[nodiscard]] std::vector<CohortPtr> next(Instant now, const Timers& timers,
                                            Instant connected_at);
  /// A call that renews `due`, which are of one kind. Counts as under way.
  [[nodiscard]] Command call(Instant now, const std::vector<CohortPtr>& due, RenewalBatch& batch);

  void on_connected();
  void on_disconnected();
  /// The call before all others was answered.
  void on_reply() { calls_.pop_front(); }
  void on_good_reply() { is_patient_ = false; }
  /// A connection was given up as a reply did not come. If it was for a renewal's sake, the next
  /// ones are given more time: a server that is slow would else never get to answer one.
  void on_timeout() { is_patient_ = is_patient_ || !calls_.empty(); }

  struct Call {
    Instant sent;
    Duration patience{};  ///< for how long its reply may not come
  };
  [[nodiscard]] const std::deque<Call>& calls() const { return calls_; }

 private:
  [[nodiscard]] std::vector<CohortPtr> take_backlog();
  [[nodiscard]] static std::vector<CohortPtr> take_unconfirmed(Instant now, const Timers& timers,
                                                               Instant connected_at, Kind kind,
                                                               Timer& from);

  Duration request_timeout_;
  std::deque<Call> calls_;
  bool is_patient_ = false;
  /// Leases whose renewal is due and waits for its turn, the one that ends first before all.
  std::map<std::pair<Instant, std::uint64_t>, CohortPtr> backlog_;
  /// Up to which timer the leases of earlier connections were renewed on this one.
  std::map<Kind, Timer> unconfirmed_;
};

}  // namespace dlock::core
