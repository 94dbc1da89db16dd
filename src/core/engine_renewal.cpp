// Engine: renewals. At most a few calls are under way, and the lease that ends first goes first.
#include <algorithm>

#include "core/engine.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration renewal_slack = milliseconds{50};  ///< renewals due so soon go along
constexpr std::size_t max_renewals = 128;             ///< in one script call
constexpr std::size_t max_renewal_calls = 8;          ///< under way: others need the server too
constexpr Duration min_patience = milliseconds{100};

}  // namespace

// Called when the first timer is a hold's: all of its kind that are due soon wait for their turn.
void Engine::renew_due(Instant now) {
  const auto kind = timers_.begin()->cohort->lock.kind;
  std::vector<CohortPtr> due;
  for (auto timer = timers_.begin();
       timer != timers_.end() && due.size() < max_renewals && timer->when <= now + renewal_slack;
       ++timer) {
    if (timer->kind == TimerKind::hold && timer->cohort->lock.kind == kind &&
        timer->cohort->hold->renewal_due(now, renewal_slack) &&
        timer->cohort->hold->overdue(now) == Loss::none) {
      due.push_back(timer->cohort);
    }
  }
  for (const auto& cohort : due) {
    cohort->hold->on_queued();
    backlog_[{cohort->hold->timer(), cohort->id}] = cohort;
    rearm(cohort);
  }
  renew_more(now);
}

// Out of turn, and whether it is renewed by itself or not: to hear what the server knows of it.
void Engine::renew_now(Instant now, const CohortPtr& cohort) {
  if (connected_) {
    renew(now, {cohort}, false);
  }
}

void Engine::renew_more(Instant now) {
  while (connected_ && renewals_.size() < max_renewal_calls) {
    auto turn = take_backlog();
    for (auto kind = unconfirmed_.begin(); turn.empty() && kind != unconfirmed_.end();) {
      turn = take_unconfirmed(now, kind->first, kind->second);
      kind = turn.empty() ? unconfirmed_.erase(kind) : kind;
    }
    if (turn.empty()) {
      return;
    }
    renew(now, turn, false);
  }
}

// Of the kind of the first: a call runs one script.
std::vector<Engine::CohortPtr> Engine::take_backlog() {
  std::vector<CohortPtr> due;
  for (auto entry = backlog_.begin(); entry != backlog_.end() && due.size() < max_renewals;) {
    const auto cohort = entry->second;
    if (!cohort->hold || !cohort->hold->is_queued()) {
      entry = backlog_.erase(entry);
    } else if (due.empty() || due.front()->lock.kind == cohort->lock.kind) {
      due.push_back(cohort);
      entry = backlog_.erase(entry);
    } else {
      ++entry;
    }
  }
  return due;
}

// Leases that were last renewed on an earlier connection, when nothing else has to go: the server
// may have lost them. Goes on at `from`.
std::vector<Engine::CohortPtr> Engine::take_unconfirmed(Instant now, Kind kind, Timer& from) {
  std::vector<CohortPtr> taken;
  auto timer = timers_.lower_bound(from);
  for (; timer != timers_.end() && taken.size() < max_renewals; ++timer) {
    if (timer->kind == TimerKind::hold && timer->cohort->lock.kind == kind &&
        timer->cohort->hold->unconfirmed_since(connected_at_) &&
        timer->cohort->hold->overdue(now) == Loss::none) {
      taken.push_back(timer->cohort);
    }
  }
  from.when = timer == timers_.end() ? Instant::max() : timer->when;
  from.id = timer == timers_.end() ? 0 : timer->id;
  return taken;
}

void Engine::renew(Instant now, const std::vector<CohortPtr>& due, bool whole) {
  if (due.empty()) {
    return;
  }
  const auto kind = due.front()->lock.kind;
  Command command;
  command.verb = Verb::renew;
  command.whole = whole;
  command.kind = kind;
  command.keys.reserve(1 + 3 * due.size());
  command.keys.emplace_back(fence_key);
  command.args.reserve(1 + 3 * due.size());
  Pending pending;
  pending.renewed.reserve(due.size());
  pending.randoms.reserve(due.size());
  pending.token = due.front()->hold->record()->token;
  command.args.emplace_back(echo_of(pending.token));
  Renewal renewal{now, settings_.request_timeout};
  for (const auto& cohort : due) {
    auto& hold = *cohort->hold;
    const auto& record = *hold.record();
    // One that is not to be renewed gets no longer by that.
    const auto ttl = hold.terms().renew ? hold.terms().ttl : record.left(now);
    const auto ttl_ms = std::max<std::int64_t>(std::chrono::ceil<milliseconds>(ttl).count(), 1);
    auto keys = lock_keys(cohort->lock.key);
    for (auto* key : {&keys.lock, &keys.queue, &keys.seen}) {
      command.keys.push_back(std::move(*key));
    }
    const auto noted = kind == Kind::permits ? record.fence.counter : record.fence.sequence;
    command.args.push_back(record.token);
    command.args.push_back(std::to_string(ttl_ms));
    command.args.push_back(std::to_string(noted));
    pending.randoms.push_back(random_of(record.token));
    pending.sequences.push_back(record.fence.sequence);
    pending.renewed.push_back(cohort);
    hold.on_renewing();
    // A lease that ends soon needs the time for another try, on another connection.
    if (!is_patient_) {
      renewal.patience =
          std::min(renewal.patience, std::max((hold.timer() - now) / 2, min_patience));
    }
    rearm(cohort);
  }
  renewals_.push_back(renewal);
  send(now, std::move(command), std::move(pending));
}

void Engine::on_renew_reply(Instant now, const Pending& pending, const Reply& reply) {
  renewals_.pop_front();
  std::string_view letters;
  if (!reply.is_error) {
    Words words{reply.text};
    if (words.next() != echo_of(pending.token)) {
      drop_shifted(now, pending);
      return;
    }
    letters = words.rest();
    is_patient_ = false;
    on_good_reply();
  } else if (!reply.unknown_script) {
    act(Report{LogLevel::warning, "renewal failed: " + reply.what});
  }
  std::vector<CohortPtr> again;
  for (std::size_t i = 0; i < pending.renewed.size(); ++i) {
    const auto& cohort = pending.renewed[i];
    if (!cohort->hold || random_of(cohort->hold->record()->token) != pending.randoms[i]) {
      continue;
    }
    auto& hold = *cohort->hold;
    if (reply.unknown_script) {
      again.push_back(cohort);
    } else if (i < letters.size() && letters[i] == 'b') {
      // Of one that was passed on since, the former holder was asked.
      if (hold.record()->fence.sequence == pending.sequences[i]) {
        give_up(now, cohort);
      } else {
        renew_now(now, cohort);
      }
    } else if (i < letters.size() && letters[i] == 'k') {
      ++output_.counters.renewals;
      hold.on_renewed(pending.sent, hold.terms().renew ? hold.terms().ttl : Duration::zero());
      rearm(cohort);
      if (hold.record()->part) {
        act(Renewed{hold.record()->id});
      }
    } else if (i < letters.size() && (letters[i] == 'l' || letters[i] == 't')) {
      lose(now, cohort, letters[i] == 'l' ? Loss::gone : Loss::taken);
    } else {
      // An error says nothing about the lease: it is unknown, not lost.
      hold.on_unknown(now + std::min<Duration>(seconds{1}, hold.terms().ttl / 10));
      rearm(cohort);
      if (reply.moving) {
        act(RenewalBlocked{hold.record()});
      }
    }
  }
  renew(now, again, true);
  renew_more(now);
}

void Engine::on_unblocked(Instant now, const LeaseRecord& lease, Instant sent) {
  const auto cohort = holding(lease);
  if (cohort && cohort->hold->overdue(now) == Loss::none) {
    ++output_.counters.renewals;
    cohort->hold->on_renewed(sent, cohort->hold->terms().ttl);
    rearm(cohort);
  }
}

}  // namespace dlock::core
