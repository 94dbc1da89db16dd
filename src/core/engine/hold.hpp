// Hold: a lease of this client, its renewals, and the moment at which it counts as lost.
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
#include "dlock/stats.hpp"

namespace dlock::core {

/// Why a lease ended before its release.
enum class Loss : std::uint8_t {
  none,      ///< it has not ended
  expired,   ///< the server confirmed no renewal before the end of its validity came near
  gone,      ///< the server no longer has it: the key was deleted, or the server lost its data
  taken,     ///< the lock key has another value
  broken,    ///< a client broke it, by its fence
  max_hold,  ///< `max_hold` has passed
  time_up,   ///< a lease without renewal reached the end of its ttl
};

/// Whether the server may not have recorded it yet.
[[nodiscard]] constexpr bool is_by_time(Loss loss) {
  return loss == Loss::expired || loss == Loss::max_hold || loss == Loss::time_up;
}

using LeaseId = std::uint64_t;
/// The number of a group of locks in the statistics.
using GroupId = std::uint8_t;

/// The state of a lease that a user's handle shows. The engine writes it; any thread may read it.
struct LeaseRecord {
  LeaseId id = 0;
  Key key;
  Token token;
  Duration ttl{};
  Fence fence;
  Kind kind{};
  bool part = false;  ///< of a quorum's lease, which users see in its place
  std::atomic<Loss> loss{Loss::none};
  GroupId group = 0;
  LeaseKind what{};  ///< for the statistics
  Instant since;     ///< when its holder got it
  std::atomic<Instant::rep> valid_until{0};
  /// A release before this instant keeps the lock closed until then.
  std::atomic<Instant> hold_off_until{};
  std::stop_source lost{
      std::nostopstate};  ///< made when a user first asks for it; for the shell alone
  std::forward_list<std::stop_source>
      lost_with;  ///< of groups that it is a member of; for the shell alone

  [[nodiscard]] Instant end() const {
    return Instant{Duration{valid_until.load(std::memory_order_acquire)}};
  }
  /// The validity left at `now`; zero when it is over or lost.
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
    Duration safety_margin{};
    std::optional<Instant> end{};  ///< the hold ends here, whatever is renewed
    bool renew = true;
    bool part = false;  ///< of a lease on several servers
  };

  Hold(std::shared_ptr<LeaseRecord> record, Terms terms, Instant valid_until, Duration length,
       Drift drift, double jitter);

  /// When the next renewal or the loss is due.
  [[nodiscard]] Instant timer() const;
  /// Whether a renewal should leave within `slack` of `now`.
  [[nodiscard]] bool renewal_due(Instant now, Duration slack) const;
  /// Whether it is renewed at all, and last began or was renewed before `when`.
  [[nodiscard]] bool unconfirmed_since(Instant when) const;
  /// Whether it is renewed until it is released.
  [[nodiscard]] bool is_kept() const { return terms_.renew && !ends_first(); }
  /// Whether the lease is lost at `now`, and why.
  [[nodiscard]] Loss overdue(Instant now) const;
  /// A renewal is due, and waits in the queue.
  void on_queued();
  /// A renewal is sent.
  void on_renewing(Instant now);
  /// The server confirmed the lease, in reply to a request (renewal or repeated acquire) with `ttl`
  /// that left at `sent`.
  void on_renewed(Instant sent, Duration ttl);
  /// The outcome of the renewal is unknown; renew again at `when`.
  void on_unknown(Instant when);
  /// A hand-off inside this process must reach the server's record by `when`: by a renewal that
  /// leaves from now on, since one that is under way does not carry it.
  void record_by(Instant when);
  /// Others wrote its key, and may have ended the lease: the next renewal, which is due now, says
  /// so. Due a little later, if such doubts were false a moment ago: the holders of permits write
  /// their common key again and again.
  void doubt(Instant now);
  /// Whether the next renewal has no other purpose than to end a doubt.
  [[nodiscard]] bool is_only_doubted(Instant now) const;
  /// The server's record has no fence yet; it must have it by `when`.
  void begin_bare(Instant when) {
    is_bare_ = true;
    is_recorded_ = false;
    record_by(when);
  }
  /// Whether no request that records the fence was sent yet.
  [[nodiscard]] bool is_bare() const { return is_bare_; }
  /// Whether the server is known to have the fence.
  [[nodiscard]] bool is_recorded() const { return is_recorded_; }
  /// Passes the lease to the next holder in this process, whose hold ends at `end`. The record of
  /// the former holder stops counting.
  void pass(std::shared_ptr<LeaseRecord> next, std::optional<Instant> end);
  /// The lease is over for its holder.
  void lose(Loss why);

  /// Whether a renewal waits in the queue.
  [[nodiscard]] bool is_queued() const { return queued_; }

  [[nodiscard]] const std::shared_ptr<LeaseRecord>& record() const { return record_; }
  [[nodiscard]] const Terms& terms() const { return terms_; }
  /// Whether enough validity is left to pass the lease to another holder.
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
  Instant until_;  ///< of the lease, whatever `Terms::end` says
  Duration length_;
  Instant renew_at_;
  Instant record_by_ = Instant::max();
  float jitter_;           ///< 0..1, spreads the renewals of leases taken together
  bool renewing_ = false;  ///< a renewal is under way, or queued
  bool queued_ = false;
  bool is_bare_ = false;
  bool is_recorded_ = true;
  bool is_doubted_ = false;
  std::uint8_t doubts_ = 0;  ///< the renewals in a row, up to the last one, that ended a doubt
  Instant doubted_at_;       ///< when the last of these left
};

}  // namespace dlock::core
