// Engine: tokens leave the server.
#include "core/engine/engine.hpp"

namespace dlock::core {

// The token that has the lease.
Engine::DepartureId Engine::give_back(Instant now, const CohortPtr& cohort, LeaseId lease,
                                      bool riding) {
  const auto& hold = *cohort->hold;
  const auto& record = *hold.record();
  return depart(now, {.token = record.token,
                      .lock = cohort->lock,
                      .life = hold.terms().ttl,
                      .hold_off_until = record.hold_off_until.load(),
                      .lease = lease,
                      .group = record.group,
                      .held = true,
                      .riding = riding,
                      .bare = may_release_bare(now, *cohort, riding),
                      .late = std::exchange(cohort->unanswered, false),
                      .may_reappear = std::exchange(cohort->may_reappear, false)});
}

Engine::DepartureId Engine::depart(Instant now, Departure&& departure) {
  const DepartureId id = ++last_id_;
  const bool is_riding = departure.riding;
  departures_.add(now, id, std::move(departure));
  if (!is_riding && link_.is_connected()) {
    send_departure(now, id);
  } else if (!is_riding) {
    need_connection();
  }
  return id;
}

void Engine::send_departure(Instant now, DepartureId id) {
  auto command = departures_.command(now, id);
  const bool is_bare = command.bare;
  auto& pending = send(now, std::move(command));
  pending.token = departures_.token(id);
  pending.departure = id;
  pending.bare = is_bare;
}

void Engine::on_release_reply(Instant now, const Pending& pending, const Reply& reply) {
  switch (departures_.on_reply(now, pending.departure, reply)) {
    case Departures::Verdict::none:
      break;
    case Departures::Verdict::good:
      link_.on_good_reply();
      break;
    case Departures::Verdict::resend:
      if (pending.bare && !reply.is_error) {
        contended_.note(departures_.all().at(pending.departure).lock.key, true);
      }
      send_departure(now, pending.departure);
      break;
    case Departures::Verdict::shifted:
      drop_shifted(now, pending);
      break;
  }
}

}  // namespace dlock::core
