// Engine: renews leases.
#include <algorithm>

#include "core/engine/engine.hpp"

namespace dlock::core {

// To be called when the first timer is that of a hold.
void Engine::renew_due(Instant now) {
  auto due = Renewals::due(now, timers_);
  if (link_.is_connected() && renewals_.is_free()) {
    renew(now, std::move(due), false);
    return;
  }
  renewals_.queue(due);
  for (const auto& cohort : due) {
    rearm(cohort);
  }
  renew_more(now);
}

// Renews one lease at once, also one without automatic renewal, to learn what the server has of it.
void Engine::renew_now(Instant now, const CohortPtr& cohort) {
  if (link_.is_connected()) {
    renew(now, {cohort}, false);
  }
}

void Engine::renew_more(Instant now) {
  while (link_.is_connected()) {
    auto due = renewals_.next(now);
    if (due.empty()) {
      return;
    }
    renew(now, std::move(due), false);
  }
}

void Engine::renew(Instant now, std::vector<CohortPtr> due, bool whole) {
  if (due.empty()) {
    return;
  }
  if (has_slots_) {
    renew(now, split_off_other_slots(due), whole);
  }
  auto batch = std::make_shared<RenewalBatch>();
  auto command = renewals_.call(now, due, *batch);
  command.whole = whole;
  for (const auto& cohort : due) {
    rearm(cohort);
  }
  auto& pending = send(now, std::move(command));
  pending.token = due.front()->hold->record()->token;
  pending.renewal = std::move(batch);
  watch(now, due);
}

void Engine::on_renew_reply(Instant now, const Pending& pending, const Reply& reply) {
  renewals_.on_reply();
  std::string_view letters;
  if (!reply.is_error) {
    Words words{reply.text};
    if (words.next() != echo_of(pending.token)) {
      drop_shifted(now, pending);
      return;
    }
    letters = words.rest();
    renewals_.on_good_reply();
    link_.on_good_reply();
  } else if (!reply.unknown_script) {
    act(Report{LogLevel::warning, "renewal failed: " + reply.what});
  }
  const auto& batch = *pending.renewal;
  // Almost never, and to look for each lease among all that is under way would take long.
  const bool asks_for_leases =
      std::any_of(inflight_.begin(), inflight_.end(), [](const Pending& other) {
        return !other.parts.empty() ||
               (other.verb == Verb::acquire && other.cohort && other.cohort->hold);
      });
  std::vector<CohortPtr> again;
  for (std::size_t i = 0; i < batch.cohorts.size(); ++i) {
    if (!batch.is_current(i)) {
      continue;
    }
    if (reply.unknown_script) {
      again.push_back(batch.cohorts[i]);
      continue;
    }
    auto letter = i < letters.size() ? letters[i] : ' ';
    if (letter == 'k' && asks_for_leases && is_asked_for(batch.cohorts[i]->hold->record()->token)) {
      letter = ' ';  // of the lease that the token has now: the answer tells whether that is this
    }
    on_renewal_letter(now, pending, i, letter);
    if (reply.moving) {
      act(RenewalBlocked{batch.cohorts[i]->hold->record()});
    }
  }
  renew(now, std::move(again), true);
  renew_more(now);
}

// Takes the server's answer for one lease.
void Engine::on_renewal_letter(Instant now, const Pending& pending, std::size_t place,
                               char letter) {
  const auto& cohort = pending.renewal->cohorts[place];
  auto& hold = *cohort->hold;
  switch (letter) {
    case 'b':
      // If the lease was passed on since, the request was for its former holder.
      if (hold.record()->fence.sequence == pending.renewal->sequences[place]) {
        give_up(now, cohort);
      } else {
        renew_now(now, cohort);
      }
      break;
    case 'k':
      ++output_.counters.renewals;
      hold.on_renewed(pending.sent, pending.renewal->spans[place]);
      rearm(cohort);
      if (hold.record()->part) {
        act(Renewed{hold.record()->id});
      }
      break;
    case 'l':
      lose(now, cohort, Loss::gone);
      break;
    case 't':
      lose(now, cohort, Loss::taken);
      break;
    default:
      // An error says nothing about the lease, so it is not lost.
      hold.on_unknown(now + std::min<Duration>(std::chrono::seconds{1}, hold.terms().ttl / 10));
      rearm(cohort);
  }
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
