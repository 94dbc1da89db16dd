// Chooses the leases to renew next.
#include "core/engine/renewals.hpp"

#include <algorithm>

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

constexpr Duration renewal_slack = milliseconds{50};  ///< renewals due this soon go along
constexpr std::size_t max_renewals = 128;             ///< in one script call
constexpr std::size_t max_renewal_calls =
    8;  ///< under way, since other clients need the server too
constexpr Duration min_timeout = milliseconds{100};

// Among 100,000 leases, one that is due was last used a third of its ttl ago, so none of its memory
// is in a cache. If each line were asked for when it is read, the processor would wait for memory
// several times for each lease; so the lines of up to 128 leases come at the same time.
void fetch_early(const Cohort& cohort) {
  constexpr std::size_t line = 64;
  const auto* const memory = reinterpret_cast<const char*>(&cohort);
  for (std::size_t at = 0; at < sizeof cohort; at += line) {
    __builtin_prefetch(memory + at);
  }
}

}  // namespace

void append_renewal(std::vector<std::string>& args, const LeaseRecord& record,
                    std::int64_t ttl_ms) {
  args.emplace_back(record.token);
  args.push_back(std::to_string(ttl_ms));
  if (record.kind == Kind::mutex) {
    args.push_back(std::to_string(record.fence.sequence));
  }
  args.push_back(std::to_string(record.fence.counter));
}

std::vector<CohortPtr> Renewals::due(Instant now, Timers& timers) {
  std::vector<const CohortPtr*> next;
  next.reserve(max_renewals);
  timers.visit_due(now + renewal_slack, [&](const Timer& timer) {
    if (timer.kind == TimerKind::hold) {
      fetch_early(*timer.cohort);
      next.push_back(&timer.cohort);
    }
    return next.size() < max_renewals;
  });
  const auto kind = timers.front().cohort->lock.kind;
  std::vector<CohortPtr> due;
  due.reserve(next.size());
  for (const auto* cohort : next) {
    const auto& hold = (*cohort)->hold;
    if ((*cohort)->lock.kind == kind && hold->renewal_due(now, renewal_slack) &&
        hold->overdue(now) == Loss::none) {
      __builtin_prefetch(hold->record().get());
      due.push_back(*cohort);
    }
  }
  return due;
}

bool Renewals::is_free() const { return backlog_.empty() && calls_.size() < max_renewal_calls; }

void Renewals::queue(const std::vector<CohortPtr>& due) {
  for (const auto& cohort : due) {
    cohort->hold->on_queued();
    backlog_[{cohort->hold->timer(), cohort->id}] = cohort;
  }
}

std::vector<CohortPtr> Renewals::next(Instant now) {
  if (calls_.size() >= max_renewal_calls) {
    return {};
  }
  auto turn = take_backlog();
  for (auto kind = unconfirmed_.begin(); turn.empty() && kind != unconfirmed_.end();) {
    turn = take_unconfirmed(now, kind->second);
    kind = turn.empty() ? unconfirmed_.erase(kind) : kind;
  }
  return turn;
}

// All are of the kind of the first, since a call runs one script.
std::vector<CohortPtr> Renewals::take_backlog() {
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

std::vector<CohortPtr> Renewals::take_unconfirmed(Instant now, std::deque<CohortPtr>& from) {
  std::vector<CohortPtr> taken;
  for (; !from.empty() && taken.size() < max_renewals; from.pop_front()) {
    const auto& hold = from.front()->hold;
    if (hold && hold->unconfirmed_since(connected_at_) && hold->overdue(now) == Loss::none) {
      taken.push_back(from.front());
    }
  }
  return taken;
}

Command Renewals::call(Instant now, const std::vector<CohortPtr>& due, RenewalBatch& batch) {
  const auto kind = due.front()->lock.kind;
  Command command;
  command.verb = Verb::renew;
  command.kind = kind;
  command.keys.emplace_back(fence_key);
  command.args.emplace_back(echo_of(due.front()->hold->record()->token));
  command.renewals.reserve(due.size());
  batch.cohorts.reserve(due.size());
  batch.randoms.reserve(due.size());
  batch.sequences.reserve(due.size());
  batch.spans.reserve(due.size());
  auto timeout = request_timeout_;
  for (const auto& cohort : due) {
    auto& hold = *cohort->hold;
    const auto& record = *hold.record();
    // A lease without renewal must not get longer. Of permits that are only doubted the key stays
    // as it is: the holders, who share it, would make each other doubt for ever.
    const bool only_looks = kind == Kind::permits && hold.is_only_doubted(now);
    const bool extends = hold.terms().renew && !only_looks;
    const auto ttl = only_looks           ? Duration{milliseconds{1}}
                     : hold.terms().renew ? hold.terms().ttl
                                          : record.left(now);
    const auto ttl_ms = std::max<std::int64_t>(std::chrono::ceil<milliseconds>(ttl).count(), 1);
    command.renewals.push_back(
        {cohort->lock.key, record.token, ttl_ms, record.fence.counter, record.fence.sequence});
    batch.randoms.push_back(random_of(record.token));
    batch.sequences.push_back(record.fence.sequence);
    batch.spans.push_back(extends ? hold.terms().ttl : Duration::zero());
    batch.cohorts.push_back(cohort);
    hold.on_renewing(now);
    // A lease that ends soon needs time for another try on a new connection.
    if (!is_patient_) {
      timeout = std::min(timeout, std::max((hold.timer() - now) / 2, min_timeout));
    }
  }
  calls_.push_back({now, timeout});
  return command;
}

// The server must confirm all leases on the new connection.
void Renewals::on_connected(Instant now, Timers& timers) {
  connected_at_ = now;
  unconfirmed_.clear();
  timers.visit_due(Instant::max(), [&](const Timer& timer) {
    if (timer.kind == TimerKind::hold) {
      unconfirmed_[timer.cohort->lock.kind].push_back(timer.cohort);
    }
    return true;
  });
}

void Renewals::on_disconnected() {
  calls_.clear();
  unconfirmed_.clear();
}

}  // namespace dlock::core
