// Engine: the server tells at once when another client, or itself, changes the key of a lease.
//
// Such a push decides nothing: it makes the engine renew the lease, and the server's answer says
// whether it is lost. The client's own writes bring no push, and end the watch: so each renewal
// begins another one. A lost push costs no more than the time to the next renewal.
#include "core/engine/engine.hpp"

namespace dlock::core {

// To be called after the renewal is sent. If the lease is lost between the two, there are fewer
// keys than expected, or the next renewal finds out.
void Engine::watch(Instant now, const std::vector<CohortPtr>& cohorts) {
  if (!settings_.watches || !link_.may_watch()) {
    return;
  }
  Command command{Verb::watch, false, {}, {}};
  auto watched = std::make_shared<RenewalBatch>();
  auto& batch = *watched;
  command.keys.reserve(cohorts.size());
  batch.cohorts.reserve(cohorts.size());
  batch.randoms.reserve(cohorts.size());
  for (const auto& cohort : cohorts) {
    command.keys.emplace_back(cohort->lock.key.text());
    batch.cohorts.push_back(cohort);
    batch.randoms.push_back(random_of(cohort->hold->record()->token));
    if (cohort->lock.kind == Kind::permits && !std::exchange(cohort->is_watched, true)) {
      watched_permits_.emplace(cohort->lock.key, cohort);
    }
  }
  send(now, std::move(command)).renewal = std::move(watched);
}

// The first waiter asks for a lock of another program every 100 ms, unless it can hear of it.
void Engine::watch_foreign(Instant now, const CohortPtr& cohort) {
  if (settings_.watches && link_.may_watch()) {
    auto& pending = send(now, {Verb::watch, false, {std::string{cohort->lock.key.text()}}, {}});
    pending.cohort = cohort;
    pending.token = cohort->attempt->token();
  }
}

void Engine::on_watch_reply(Instant now, const Pending& pending, const Reply& reply) {
  if (reply.refuses_watch) {
    link_.on_watch_refused();
    act(Report{
        LogLevel::info,
        "the server does not tell of changes of keys, so a lock that is deleted is noticed at "
        "its next renewal: " +
            reply.what});
    return;
  }
  std::int64_t count = 0;
  if (reply.is_error || !parse_number(reply.text, count)) {
    return;  // the renewal's own answer says more
  }
  if (const auto& cohort = pending.cohort) {
    if (cohort->attempt && cohort->attempt->token() == pending.token) {
      count > 0 ? cohort->attempt->on_watched() : cohort->attempt->on_next({}, now);
      rearm(cohort);
    }
    return;
  }
  const auto& batch = *pending.renewal;
  const bool is_complete = count >= static_cast<std::int64_t>(batch.cohorts.size());
  for (std::size_t i = 0; !is_complete && i < batch.cohorts.size(); ++i) {
    if (batch.is_current(i)) {
      doubt(now, batch.cohorts[i]);
    }
  }
}

void Engine::on_changed(Instant now, std::optional<std::string_view> key) {
  if (!link_.is_connected()) {
    return;
  }
  link_.on_heard(now);
  const auto look_at = [&](const CohortPtr& cohort) {
    if (cohort->attempt) {
      if (!is_gate(cohort->lock.kind)) {
        cohort->attempt->on_next({}, now);
        rearm(cohort);
      }
    } else if (cohort->hold) {
      doubt(now, cohort);
    }
  };
  if (!key) {
    for (const auto& cohort : cohorts_) {
      look_at(cohort);
    }
    return;
  }
  if (const auto found = mutexes_.find(*key); found != mutexes_.end()) {
    look_at(found->second);
  }
  const auto [begin, end] = watched_permits_.equal_range(*key);
  for (auto entry = begin; entry != end; ++entry) {
    look_at(entry->second);
  }
}

void Engine::stop_watching(Cohort& cohort) {
  if (!std::exchange(cohort.is_watched, false)) {
    return;
  }
  auto [entry, end] = watched_permits_.equal_range(cohort.lock.key);
  while (entry != end && entry->second.get() != &cohort) {
    ++entry;
  }
  if (entry != end) {
    watched_permits_.erase(entry);
  }
}

void Engine::doubt(Instant now, const CohortPtr& cohort) {
  cohort->hold->doubt(now);
  rearm(cohort);
}

}  // namespace dlock::core
