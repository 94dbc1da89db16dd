// Quorum: from a lease to its end.
#include <algorithm>

#include "core/engine/passing.hpp"
#include "core/quorum/quorum.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

constexpr Backoff retry_backoff{milliseconds{50}, std::chrono::seconds{5}};  ///< for one server

}  // namespace

std::size_t Quorum::held(const QuorumLock& lock) {
  return static_cast<std::size_t>(
      std::count_if(lock.parts.begin(), lock.parts.end(),
                    [](const MemberLease& part) { return part.lease != nullptr; }));
}

// The end of the majority: among the ends of the parts, the majority-th greatest. Each part counts
// from before its request left.
Instant Quorum::valid_until(const QuorumLock& lock) const {
  std::vector<Instant> ends;
  for (const auto& part : lock.parts) {
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

Loss Quorum::overdue(Instant now, const QuorumLock& lock) {
  return lock.end && *lock.end <= now ? Loss::max_hold : Loss::expired;
}

void Quorum::publish(const QuorumLock& lock) {
  const auto until = valid_until(lock);
  const auto end = lock.end ? std::min(until, *lock.end) : until;
  lock.lease->valid_until.store(end.time_since_epoch().count(), std::memory_order_release);
}

void Quorum::on_renewed(std::size_t member, const Renewed& renewed) {
  answered(member);
  const auto found = members_[member].parts.find(renewed.lease);
  if (found != members_[member].parts.end() && found->second->phase == Phase::held) {
    publish(*found->second);
  }
}

void Quorum::on_lost(Instant now, std::size_t member, const Lost& lost) {
  const auto found = members_[member].parts.find(lost.lease->id);
  if (found == members_[member].parts.end()) {
    return;
  }
  const auto lock = found->second;
  members_[member].parts.erase(found);
  auto& part = lock->parts[member];
  part.lease.reset();
  part.again.reset();
  part.outcome = Outcome::silent;
  part.code = errc::unreachable;
  const auto why = lost.lease->loss.load();
  if (is_by_time(why) && (lock->phase == Phase::held || lock->phase == Phase::over)) {
    // Its user may have a while left, in which no other client must get the lock.
    part.ended = lost.lease;
  } else {
    members_[member].engine->release(now, *lost.lease);  // removes what may be left of it
  }
  switch (lock->phase) {
    case Phase::asking:
      if (lock->queues) {
        again_later(now, *lock, part);
      }
      decide(now, lock);
      break;
    case Phase::writing_fence:
      if (held(*lock) < majority_) {
        give_up_round(now, lock);
      }
      break;
    case Phase::held:
      if (why == Loss::broken || held(*lock) < majority_) {
        lose(now, lock, why);
      } else {
        publish(*lock);
        again_later(now, *lock, part);
        arm(lock);
      }
      break;
    case Phase::resting:
    case Phase::over:
      break;
  }
}

// A lease of fixed length has no renewals, and neither have its parts.
void Quorum::again_later(Instant now, QuorumLock& lock, MemberLease& part) {
  part.again.reset();
  if (lock.phase == Phase::held && !lock.renew && !part.lease) {
    return;
  }
  const Backoff backoff{retry_backoff.initial,
                        std::clamp(lock.ttl / 3, retry_backoff.initial, retry_backoff.max)};
  part.back_off = backoff.after(part.back_off);
  part.again = now + jittered(part.back_off);
}

// Takes a missing part, or writes the fence again. For a lease, only while it has a majority: the
// quorum never takes a lost lease again.
void Quorum::take_again(Instant now, const LockPtr& lock, std::size_t member) {
  auto& part = lock->parts[member];
  if (part.lease) {
    write_fence(now, lock, member);
  } else if (lock->lease && lock->lease->left(now) == Duration::zero()) {
    lose(now, lock, overdue(now, *lock));
  } else if (members_[member].suspect && now < members_[member].probe_at) {
    again_later(now, *lock, part);  // another lock probes whether it answers
  } else {
    try_part(now, lock, member);
  }
}

// Passes the lease to the next thread of this client, without the network.
bool Quorum::pass(Instant now, const LockPtr& lock) {
  const auto& request = lock->waiters.front().request;
  const auto& former = *lock->lease;
  if (!may_pass(now, former, lock->renew, lock->since, request) ||
      valid_until(*lock) - now < lock->ttl / 2) {
    return false;
  }
  output_.statistics->ended(now, former);
  auto record = pass_on(now, former, ++last_id_, request);
  for (std::size_t member = 0; member < lock->parts.size(); ++member) {
    if (const auto& part = lock->parts[member]; part.lease) {
      part.lease->fence.sequence = record->fence.sequence;
      members_[member].engine->record(now, *part.lease);
    }
  }
  lock->end = request.end_of_hold(now);
  lock->when = lock->end;
  lock->lease = record;
  publish(*lock);
  output_.statistics->acquired(*record, AcquiredBy::passing, now - lock->waiters.front().since);
  waiters_.hand_to_front(now, *lock, std::move(record), AcquiredBy::passing);
  arm(lock);
  return true;
}

void Quorum::release(Instant now, const LeaseRecord& lease) {
  const auto lock = lock_of(lease);
  if (!lock) {
    act(Released{lease.id, Released::Kind::not_held});
    return;
  }
  const bool is_over = lease.left(now) == Duration::zero();
  if (is_over) {
    act(Released{lease.id, Released::Kind::not_held});
    if (lock->phase == Phase::held) {
      lose(now, lock, overdue(now, *lock));
    }
    if (lock->phase != Phase::over) {
      return;
    }
    drop_parts(now, lock, 0);
  } else {
    const bool is_held_off = lease.hold_off_until.load() > now;
    if (!is_held_off && !lock->waiters.empty() && pass(now, lock)) {
      output_.statistics->released(lease.group);
      act(Released{lease.id, Released::Kind::released});
      return;
    }
    output_.statistics->ended(now, lease);
    drop_parts(now, lock, lease.id);
  }
  after_hold(now, lock);
}

// After the loss the parts keep the lock closed until the validity ends or the user releases it, so
// that the holder has time to stop, unless there is no validity left.
void Quorum::lose(Instant now, const LockPtr& lock, Loss why) {
  const auto record = lock->lease;
  const auto until = valid_until(*lock);
  record->loss.store(why == Loss::none ? Loss::expired : why, std::memory_order_release);
  output_.statistics->ended(now, *record);
  output_.statistics->lost(record->group, record->loss.load());
  act(Lost{record});
  if (why == Loss::gone || why == Loss::taken || why == Loss::broken) {
    if (why == Loss::broken) {
      record->hold_off_until = Instant{};
    }
    drop_parts(now, lock, 0);
    after_hold(now, lock);
    return;
  }
  lock->phase = Phase::over;
  // There may be less than a majority left: the record keeps the last end.
  lock->when = std::max(until, record->end());
  for (std::size_t member = 0; member < members_.size(); ++member) {
    auto& part = lock->parts[member];
    part.again.reset();
    if (part.asked != 0) {
      members_[member].tries.erase(part.asked);
      members_[member].engine->cancel(now, std::exchange(part.asked, 0));
    }
  }
  arm(lock);
}

void Quorum::release_ended(Instant now, MemberLease& part, std::size_t member) {
  if (const auto ended = std::exchange(part.ended, nullptr)) {
    members_[member].engine->release(now, *ended);
  }
}

// Releases all parts that this client has or may have, and counts the answers for the user of
// `lease`.
void Quorum::drop_parts(Instant now, const LockPtr& lock, LeaseId lease) {
  const auto id = ++last_id_;
  Departure departure{lease, lock->lease ? lock->lease->group : GroupId{0}};
  const auto hold_off_until = lock->lease ? lock->lease->hold_off_until.load() : Instant{};
  for (std::size_t member = 0; member < members_.size(); ++member) {
    auto& part = lock->parts[member];
    auto& it = members_[member];
    part.again.reset();
    release_ended(now, part, member);
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

void Quorum::after_hold(Instant now, const LockPtr& lock) {
  lock->lease.reset();
  lock->end.reset();
  lock->back_off = {};
  if (lock->waiters.empty()) {
    erase(lock);
  } else {
    rest(now, lock);  // gives other clients a chance
  }
}

void Quorum::on_released(std::size_t member, const Released& released) {
  const auto found = members_[member].releases.find(released.lease);
  if (found == members_[member].releases.end()) {
    return;
  }
  const auto id = found->second;
  members_[member].releases.erase(found);
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
      if (kind == Released::Kind::released) {
        output_.statistics->released(departure.group);
      } else if (kind == Released::Kind::not_held) {
        output_.statistics->lost(departure.group, Loss::gone);  // as nobody knew before
      }
      act(Released{departure.lease, *kind});
      departure.lease = 0;
    }
  }
  if (departure.outstanding == 0) {
    departures_.erase(id);
  }
}

}  // namespace dlock::core
