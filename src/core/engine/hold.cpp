// The state machine of a lease.
#include "core/engine/hold.hpp"

#include <algorithm>
#include <utility>

namespace dlock::core {
namespace {

constexpr Duration min_doubt =
    std::chrono::milliseconds{100};  ///< between the second and the third
constexpr int max_doubts = 20;

}  // namespace

Hold::Hold(std::shared_ptr<LeaseRecord> record, Terms terms, Instant valid_until, Duration length,
           Drift drift, double jitter)
    : record_(std::move(record)),
      terms_(terms),
      drift_(drift),
      jitter_(static_cast<float>(jitter)) {
  believe(valid_until, length);
}

// A third of the length after the lease began, a little earlier by jitter.
void Hold::believe(Instant until, Duration length) {
  length_ = length;
  until_ = until;
  const auto third = static_cast<double>(length.count()) / 3;
  renew_at_ = began() + Duration{static_cast<Duration::rep>(third * (1 - 0.1 * jitter_))};
  show();
}

Instant Hold::began() const { return until_ - length_ + drift_.margin(length_); }

void Hold::show() {
  const auto until = terms_.end ? std::min(until_, *terms_.end) : until_;
  record_->valid_until.store(until.time_since_epoch().count(), std::memory_order_release);
}

// When the lease counts as lost, unless the server confirms a renewal before.
Instant Hold::expires_at() const { return until_ - std::min(terms_.safety_margin, length_ / 4); }

// Whether `max_hold` ends before the lease: then it needs no more renewals.
bool Hold::ends_first() const { return terms_.end && *terms_.end <= expires_at(); }

Instant Hold::lost_at() const { return ends_first() ? *terms_.end : expires_at(); }

bool Hold::renews() const { return is_kept() && !renewing_; }

Instant Hold::next_renewal() const {
  const auto record_by = queued_ ? Instant::max() : record_by_;
  return renews() ? std::min(renew_at_, record_by) : record_by;
}

Instant Hold::timer() const { return std::min(next_renewal(), lost_at()); }

bool Hold::renewal_due(Instant now, Duration slack) const { return next_renewal() <= now + slack; }

bool Hold::unconfirmed_since(Instant when) const { return renews() && began() < when; }

Loss Hold::overdue(Instant now) const {
  if (now < lost_at()) {
    return Loss::none;
  }
  if (ends_first()) {
    return Loss::max_hold;
  }
  return terms_.renew ? Loss::expired : Loss::time_up;
}

void Hold::on_queued() { renewing_ = queued_ = true; }

void Hold::on_renewing(Instant now) {
  renewing_ = true;
  queued_ = is_bare_ = false;
  record_by_ = Instant::max();
  if (std::exchange(is_doubted_, false)) {
    doubts_ = static_cast<std::uint8_t>(std::min(doubts_ + 1, max_doubts));
    doubted_at_ = now;
  } else {
    doubts_ = 0;
  }
}

void Hold::on_renewed(Instant sent, Duration ttl) {
  renewing_ = queued_;  // a queued renewal carries the newer state
  is_recorded_ = true;
  const Instant until = core::valid_until(sent, ttl, drift_);
  if (until > until_) {
    believe(until, ttl);
  } else {
    renew_at_ = std::max(renew_at_, sent + ttl / 3);
  }
}

void Hold::on_unknown(Instant when) {
  renewing_ = queued_;
  if (is_kept()) {
    renew_at_ = when;
  } else {
    record_by(when);
  }
}

void Hold::doubt(Instant now) {
  is_doubted_ = true;
  const auto pause =
      doubts_ == 0 ? Duration{} : std::min(min_doubt * (1 << (doubts_ - 1)), length_ / 3);
  record_by(std::max(now, doubted_at_ + pause));
}

bool Hold::is_only_doubted(Instant now) const {
  return is_doubted_ && !(renews() && renew_at_ <= now);
}

void Hold::record_by(Instant when) { record_by_ = std::min(record_by_, when); }

void Hold::pass(std::shared_ptr<LeaseRecord> next, std::optional<Instant> end) {
  terms_.end = end;
  record_ = std::move(next);
  show();
}

void Hold::lose(Loss why) { record_->loss.store(why, std::memory_order_release); }

bool Hold::fresh(Instant now) const {
  return until_ - now >= length_ * 2 / 3 - drift_.margin(length_);
}

}  // namespace dlock::core
