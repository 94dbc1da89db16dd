// Quorum: from a lease to its end.
#include <algorithm>

#include "core/engine/passing.hpp"
#include "core/quorum/quorum.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

constexpr Backoff retry_backoff{milliseconds{50}, std::chrono::seconds{5}};  ///< of one server

}  // namespace

std::size_t Quorum::held(const Line& line) {
  return static_cast<std::size_t>(
      std::count_if(line.parts.begin(), line.parts.end(),
                    [](const Part& part) { return part.lease != nullptr; }));
}

// Until when a majority is ours: as long as the part that completes it, were the ones that end
// later all there is. Each began before its own request left.
Instant Quorum::valid_until(const Line& line) const {
  std::vector<Instant> ends;
  for (const auto& part : line.parts) {
    if (part.lease) {
      ends.push_back(part.lease->end());
    }
  }
  if (ends.size() < majority_) {
    return {};
  }
  const auto last = ends.begin() + static_cast<std::ptrdiff_t>(majority_ - 1);
  std::nth_element(ends.begin(), last, ends.end(), std::greater<>{});
  return *last;
}

Loss Quorum::overdue(Instant now, const Line& line) {
  return line.end && *line.end <= now ? Loss::max_hold : Loss::expired;
}

void Quorum::publish(const Line& line) {
  const auto until = valid_until(line);
  const auto end = line.end ? std::min(until, *line.end) : until;
  line.lease->valid_until.store(end.time_since_epoch().count(), std::memory_order_release);
}

void Quorum::on_renewed(std::size_t node, const Renewed& renewed) {
  answered(node);
  const auto found = nodes_[node].parts.find(renewed.lease);
  if (found != nodes_[node].parts.end() && found->second->phase == Phase::held) {
    publish(*found->second);
  }
}

void Quorum::on_lost(Instant now, std::size_t node, const Lost& lost) {
  const auto found = nodes_[node].parts.find(lost.lease->id);
  if (found == nodes_[node].parts.end()) {
    return;
  }
  const auto line = found->second;
  nodes_[node].parts.erase(found);
  auto& part = line->parts[node];
  part.lease.reset();
  part.again.reset();
  part.outcome = Outcome::silent;
  part.code = errc::unreachable;
  nodes_[node].engine->release(now, *lost.lease);  // what may be left of it there
  const auto why = lost.lease->loss.load();
  switch (line->phase) {
    case Phase::asking:
      if (line->queues) {
        again_later(now, *line, part);
      }
      decide(now, line);
      break;
    case Phase::writing_fence:
      if (held(*line) < majority_) {
        give_up_round(now, line);
      }
      break;
    case Phase::held:
      if (why == Loss::broken || held(*line) < majority_) {
        lose(now, line, why);
      } else {
        publish(*line);
        again_later(now, *line, part);
        arm(line);
      }
      break;
    case Phase::resting:
    case Phase::over:
      break;
  }
}

// A lease of fixed length is not renewed, so its parts are not either.
void Quorum::again_later(Instant now, Line& line, Part& part) {
  part.again.reset();
  if (line.phase == Phase::held && !line.renew && !part.lease) {
    return;
  }
  const Backoff backoff{retry_backoff.initial,
                        std::clamp(line.ttl / 3, retry_backoff.initial, retry_backoff.max)};
  part.back_off = backoff.after(part.back_off);
  part.again = now + jittered(part.back_off);
}

// A part that is missing, or that has not the fence yet. Of a lease only while a majority is ours:
// what is lost is not taken again.
void Quorum::take_again(Instant now, const LinePtr& line, std::size_t node) {
  auto& part = line->parts[node];
  if (part.lease) {
    write_fence(now, line, node);
  } else if (line->lease && line->lease->left(now) == Duration::zero()) {
    lose(now, line, overdue(now, *line));
  } else if (nodes_[node].suspect && now < nodes_[node].probe_at) {
    again_later(now, *line, part);  // somebody else finds out whether it answers
  } else {
    try_part(now, line, node);
  }
}

// To the next thread here, without the network.
bool Quorum::pass(Instant now, const LinePtr& line) {
  const auto& request = line->waiters.front().request;
  const auto& former = *line->lease;
  if (!may_pass(now, former, line->renew, line->since, request) ||
      valid_until(*line) - now < line->ttl / 2) {
    return false;
  }
  auto record = pass_on(former, ++last_id_);
  for (std::size_t node = 0; node < line->parts.size(); ++node) {
    if (const auto& part = line->parts[node]; part.lease) {
      part.lease->fence.sequence = record->fence.sequence;
      nodes_[node].engine->record(now, *part.lease);
    }
  }
  line->end = request.end_of_hold(now);
  line->when = line->end;
  line->lease = record;
  publish(*line);
  ++output_.counters.acquired;
  ++output_.counters.passed;
  waiters_.hand_to_front(*line, std::move(record));
  arm(line);
  return true;
}

void Quorum::release(Instant now, const LeaseRecord& lease) {
  const auto line = line_of(lease);
  if (!line) {
    act(Released{lease.id, Released::Kind::not_held});
    return;
  }
  const bool is_over = lease.left(now) == Duration::zero();
  if (is_over) {
    act(Released{lease.id, Released::Kind::not_held});
    if (line->phase == Phase::held) {
      lose(now, line, overdue(now, *line));
    }
    if (line->phase != Phase::over) {
      return;
    }
    drop_parts(now, line, 0);
  } else {
    const bool is_held_off = lease.hold_off_until.load() > now;
    if (!is_held_off && !line->waiters.empty() && pass(now, line)) {
      ++output_.counters.released;
      act(Released{lease.id, Released::Kind::released});
      return;
    }
    drop_parts(now, line, lease.id);
  }
  after_hold(now, line);
}

// Who is told has a while left, in which the parts still keep others out: until the validity ends,
// or the user has released it. Unless there is nothing left to protect.
void Quorum::lose(Instant now, const LinePtr& line, Loss why) {
  const auto record = line->lease;
  const auto until = valid_until(*line);
  record->loss.store(why == Loss::none ? Loss::expired : why, std::memory_order_release);
  ++output_.counters.lost;
  act(Lost{record});
  if (why == Loss::gone || why == Loss::taken || why == Loss::broken) {
    if (why == Loss::broken) {
      record->hold_off_until = Instant{};
    }
    drop_parts(now, line, 0);
    after_hold(now, line);
    return;
  }
  line->phase = Phase::over;
  // Fewer than a majority may be left: the record shows how long it was.
  line->when = std::max(until, record->end());
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto& part = line->parts[node];
    part.again.reset();
    if (part.asked != 0) {
      nodes_[node].tries.erase(part.asked);
      nodes_[node].engine->cancel(now, std::exchange(part.asked, 0));
    }
  }
  arm(line);
}

// Gives everything back that is or may be ours. The answers are counted for the user of `lease`.
void Quorum::drop_parts(Instant now, const LinePtr& line, LeaseId lease) {
  const auto id = ++last_id_;
  Departure departure{lease};
  const auto hold_off_until = line->lease ? line->lease->hold_off_until.load() : Instant{};
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto& part = line->parts[node];
    auto& it = nodes_[node];
    part.again.reset();
    if (part.asked != 0) {
      it.tries.erase(part.asked);
      it.engine->cancel(now, std::exchange(part.asked, 0));
    }
    if (part.lease) {
      it.parts.erase(part.lease->id);
      if (lease != 0) {
        it.releases[part.lease->id] = id;
        ++departure.outstanding;
      }
      part.lease->hold_off_until = hold_off_until;
      it.engine->release(now, *std::exchange(part.lease, nullptr));
    }
  }
  if (lease != 0) {
    departures_[id] = departure;
  }
}

void Quorum::after_hold(Instant now, const LinePtr& line) {
  line->lease.reset();
  line->end.reset();
  line->back_off = {};
  if (line->waiters.empty()) {
    erase(line);
  } else {
    rest(now, line);  // others have a chance
  }
}

void Quorum::on_released(std::size_t node, const Released& released) {
  const auto found = nodes_[node].releases.find(released.lease);
  if (found == nodes_[node].releases.end()) {
    return;
  }
  const auto id = found->second;
  nodes_[node].releases.erase(found);
  auto& departure = departures_.at(id);
  --departure.outstanding;
  departure.released += released.kind == Released::Kind::released ? 1 : 0;
  departure.unknown += released.kind == Released::Kind::unknown ? 1 : 0;
  if (departure.lease != 0) {
    std::optional<Released::Kind> kind;
    if (departure.released >= majority_) {
      kind = Released::Kind::released;
    } else if (departure.released + departure.unknown + departure.outstanding < majority_) {
      kind = Released::Kind::not_held;
    } else if (departure.outstanding == 0) {
      kind = Released::Kind::unknown;
    }
    if (kind) {
      output_.counters.released += kind == Released::Kind::released ? 1 : 0;
      act(Released{departure.lease, *kind});
      departure.lease = 0;
    }
  }
  if (departure.outstanding == 0) {
    departures_.erase(id);
  }
}

}  // namespace dlock::core
