// Hold: a lease that is ours, its renewals, and the moment it must count as lost.
#pragma once

#include <atomic>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "core/wire/keys.hpp"
#include "core/wire/time.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

/// Why a lease ended while it was still wanted.
enum class Loss : std::uint8_t {
  none,      ///< it has not
  expired,   ///< no renewal was confirmed before the end of validity came near
  gone,      ///< the server does not know of it any more: it was deleted, or the data were lost
  taken,     ///< the lock key has another's value
  broken,    ///< somebody broke it on purpose, by its fence
  max_hold,  ///< the longest total hold is over
  time_up,   ///< it was not to be renewed, and its time is over
};

/// Whether the server may not know of it yet.
[[nodiscard]] constexpr bool is_by_time(Loss loss) {
  return loss == Loss::expired || loss == Loss::max_hold || loss == Loss::time_up;
}

using LeaseId = std::uint64_t;

/// What a user's handle shows of a lease. Written by the engine, read by any thread.
struct LeaseRecord {
  LeaseId id = 0;
  std::string key;
  Kind kind{};
  bool part = false;  ///< of a lease on several servers, which is what users see
  Token token;
  Duration ttl{};
  Fence fence;
  std::atomic<Instant::rep> valid_until{0};
  std::atomic<Loss> loss{Loss::none};
  /// A release before it leaves the lock taken until then.
  std::atomic<Instant> hold_off_until{};
  std::stop_source lost{std::nostopstate};  ///< made when a user first asks for it; the shell's
  std::forward_list<std::stop_source> lost_with;  ///< of what it is a part of; the shell's too

  [[nodiscard]] Instant end() const {
    return Instant{Duration{valid_until.load(std::memory_order_acquire)}};
  }
  /// What is left at `now`; zero when it is over or lost.
  [[nodiscard]] Duration left(Instant now) const {
    if (loss.load(std::memory_order_acquire) != Loss::none) {
      return Duration::zero();
    }
    const auto until = end();
    return now < until ? until - now : Duration::zero();
  }
};

/// A state machine without I/O. Not thread-safe.
class Hold {
 public:
  struct Terms {
    Duration ttl{};
    bool renew = true;
    Duration safety_margin{};
    std::optional<Instant> end{};  ///< not held beyond, whatever is renewed
    bool part = false;             ///< of a lease on several servers
  };

  Hold(std::shared_ptr<LeaseRecord> record, Terms terms, Instant valid_until, Duration length,
       Drift drift, double jitter);

  /// When something is to be done: a renewal or the loss.
  [[nodiscard]] Instant timer() const;
  /// Whether a renewal should leave within `slack` of `now`.
  [[nodiscard]] bool renewal_due(Instant now, Duration slack) const;
  /// Whether it is to be renewed, and began, or was renewed, before `when`.
  [[nodiscard]] bool unconfirmed_since(Instant when) const;
  /// Whether the lease must be told lost at `now`, and why.
  [[nodiscard]] Loss overdue(Instant now) const;
  /// A renewal is due, and waits for its turn.
  void on_queued();
  /// A renewal leaves.
  void on_renewing();
  /// The server kept us, in answer to a request (renewal or repeated acquire) for `ttl` that left
  /// at `sent`.
  void on_renewed(Instant sent, Duration ttl);
  /// The renewal's fate is unknown; try again at `when`.
  void on_unknown(Instant when);
  /// The server's record must learn of a hand-off inside this process by `when`: from a renewal
  /// that leaves from now on, also while another is under way, which knows nothing of it.
  void record_by(Instant when);
  /// Passes the lease to the next holder in this process, whose hold ends at `end`. The record of
  /// the former holder stops counting.
  void pass(std::shared_ptr<LeaseRecord> next, std::optional<Instant> end);
  /// The lease is over for its holder.
  void lose(Loss why);

  /// Whether a renewal waits for its turn.
  [[nodiscard]] bool is_queued() const { return queued_; }

  [[nodiscard]] const std::shared_ptr<LeaseRecord>& record() const { return record_; }
  [[nodiscard]] const Terms& terms() const { return terms_; }
  /// Whether so much validity is left that another holder can be given the rest.
  [[nodiscard]] bool fresh(Instant now) const;

 private:
  void believe(Instant until, Duration length);
  void show();
  [[nodiscard]] Instant expires_at() const;
  [[nodiscard]] bool ends_first() const;
  [[nodiscard]] Instant began() const;
  [[nodiscard]] Instant lost_at() const;
  [[nodiscard]] bool renews() const;
  [[nodiscard]] Instant next_renewal() const;

  std::shared_ptr<LeaseRecord> record_;
  Terms terms_;
  Drift drift_;
  double jitter_;  ///< 0..1, spreads the renewals of leases taken together
  Instant until_;  ///< of the lease, whatever `Terms::end` says
  Duration length_;
  Instant renew_at_;
  Instant record_by_ = Instant::max();
  bool renewing_ = false;  ///< a renewal is under way, or queued
  bool queued_ = false;
};

}  // namespace dlock::core
