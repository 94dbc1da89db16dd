// Quorum: from a request to a lease. It asks all servers at once, and a majority decides.
#include <algorithm>

#include "core/quorum/quorum.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

constexpr Backoff rest_backoff{milliseconds{16}, milliseconds{400}};
constexpr Backoff probe_backoff{milliseconds{250},
                                std::chrono::seconds{4}};  ///< for a silent server
constexpr int max_too_late = 5;
/// The number of repeats of a try that got some parts: when many clients try at once, it may be
/// that none of them gets a majority.
constexpr int max_splits = 4;
constexpr Duration max_linger =
    milliseconds{25};  ///< how long a try without parts waits for slow servers

// Whether the failure may end by itself, so that another try makes sense.
bool passes(errc code) {
  return code == errc::unreachable || code == errc::loading || code == errc::store_unusable;
}

}  // namespace

void Quorum::ask(Instant now, const LockPtr& lock) {
  const auto& request = lock->waiters.front().request;
  lock->phase = Phase::asking;
  lock->ttl = request.ttl;
  lock->renew = request.renew;
  lock->queues = lock->permits && request.wait;
  lock->asked_at = now;
  lock->give_back_at.reset();
  lock->lingers = false;
  lock->when.reset();
  if (!lock->queues) {
    lock->when = round_end(now, lock->ttl);
  }
  const auto is_spared = [now](const Member& member) {
    return member.suspect && now < member.probe_at;
  };
  const auto spared =
      static_cast<std::size_t>(std::count_if(members_.begin(), members_.end(), is_spared));
  const bool all = members_.size() - spared < majority_;
  for (std::size_t member = 0; member < members_.size(); ++member) {
    auto& part = lock->parts[member];
    part = MemberLease{};
    if (all || !is_spared(members_[member])) {
      try_part(now, lock, member);
    } else {
      part.outcome = Outcome::silent;
      part.code = errc::unreachable;
      if (lock->queues) {
        again_later(now, *lock, part);
      }
    }
  }
  arm(lock);
}

// A slow server gets no more time than the validity of the first parts allows.
Instant Quorum::round_end(Instant now, Duration ttl) const {
  return now + std::min(settings_.request_timeout, ttl / 2);
}

void Quorum::try_part(Instant now, const LockPtr& lock, std::size_t member) {
  auto& part = lock->parts[member];
  release_ended(now, part, member);
  part.again.reset();
  part.asked = ++last_id_;
  members_[member].tries[part.asked] = lock;
  if (members_[member].suspect) {
    suspect(now, member);  // the next try comes after its answer, or later
  }
  AcquireRequest request{.key = lock->key, .ttl = lock->ttl, .renew = lock->renew};
  request.wait = lock->queues && lock->phase == Phase::asking;
  request.permits = lock->permits;
  request.part = true;
  if (request.wait && lock->ticket != 0) {
    part.ticket = lock->ticket;
    request.ticket = std::to_string(part.ticket);
  }
  members_[member].engine->acquire(now, part.asked, std::move(request));
}

void Quorum::answered(std::size_t member) {
  members_[member].suspect = false;
  members_[member].back_off = {};
}

void Quorum::suspect(Instant now, std::size_t member) {
  auto& it = members_[member];
  it.suspect = true;
  it.back_off = probe_backoff.after(it.back_off);
  it.probe_at = now + jittered(it.back_off);
}

void Quorum::on_obtained(Instant now, std::size_t member, const Obtained& obtained) {
  answered(member);
  const auto found = members_[member].tries.find(obtained.waiter);
  if (found == members_[member].tries.end()) {
    members_[member].engine->release(now, *obtained.lease);  // not wanted any more
    return;
  }
  const auto lock = found->second;
  members_[member].tries.erase(found);
  auto& part = lock->parts[member];
  part.asked = 0;
  part.back_off = {};
  part.outcome = Outcome::none;
  part.written = 0;
  part.lease = obtained.lease;
  if (part.ticket == 0) {
    part.ticket = part.lease->fence.counter;  // by the same clock
  }
  members_[member].parts[part.lease->id] = lock;
  if (lock->phase == Phase::asking) {
    decide(now, lock);
    return;
  }
  if (lock->phase == Phase::held) {
    if (lock->lease->left(now) == Duration::zero()) {
      // A lease that ended must not begin again: another client may have held the lock since.
      lose(now, lock, overdue(now, *lock));
      return;
    }
    if (lock->lease->fence.sequence > 0) {
      part.lease->fence.sequence = lock->lease->fence.sequence;
      members_[member].engine->record(now, *part.lease);
    }
    publish(*lock);
  }
  if (lock->permits && lock->phase == Phase::writing_fence &&
      part.lease->fence.counter > lock->counter) {
    write_fence(now, lock);
  } else {
    write_fence(now, lock, member);
  }
  arm(lock);
}

void Quorum::on_refusal(Instant now, std::size_t member, const Refusal& refusal) {
  const auto found = members_[member].tries.find(refusal.waiter);
  if (found == members_[member].tries.end()) {
    return;
  }
  const auto lock = found->second;
  members_[member].tries.erase(found);
  auto& part = lock->parts[member];
  part.asked = 0;
  if (refusal.kind == Refusal::Kind::busy) {
    part.outcome = Outcome::busy;
    answered(member);
  } else {
    const bool is_failure = refusal.kind == Refusal::Kind::failed;
    part.code = is_failure ? refusal.code : errc::unreachable;
    part.what = is_failure ? refusal.what : "";
    part.outcome = passes(part.code) ? Outcome::silent : Outcome::failed;
    if (part.outcome == Outcome::silent) {
      suspect(now, member);
    } else {
      answered(member);
    }
  }
  if (lock->phase == Phase::asking) {
    if (lock->queues) {
      again_later(now, *lock, part);
    }
    decide(now, lock);
  } else if (lock->phase == Phase::held) {
    again_later(now, *lock, part);
    arm(lock);
  }
}

// Decides as soon as there is a majority, or cannot be one.
void Quorum::decide(Instant now, const LockPtr& lock) {
  std::size_t ours = 0;
  std::size_t open = 0;
  std::size_t told = 0;
  bool hopeful = false;
  for (std::size_t member = 0; member < members_.size(); ++member) {
    const auto& part = lock->parts[member];
    ours += part.lease ? 1 : 0;
    open += part.asked != 0 ? 1 : 0;
    told += part.lease || part.outcome == Outcome::busy ? 1 : 0;
    hopeful = hopeful || (part.asked != 0 && !members_[member].suspect);
  }
  if (ours >= majority_) {
    write_fence(now, lock);
  } else if (lock->queues) {
    go_on_waiting(now, lock);
  } else if (ours + open < majority_ || (told >= majority_ && !hopeful)) {
    const bool is_busy = told + open >= majority_;
    if (!lock->waiters.front().request.wait && is_busy && ours == 0 && hopeful) {
      linger(now, lock);
    } else {
      give_up_round(now, lock);
    }
  }
}

void Quorum::linger(Instant now, const LockPtr& lock) {
  if (!std::exchange(lock->lingers, true)) {
    lock->when = std::min(*lock->when, now + max_linger);
    arm(lock);
  }
}

// The greatest fence of a majority is above all earlier ones, since one of its servers has each of
// those. When a majority has this one too, the next will be above it.
void Quorum::write_fence(Instant now, const LockPtr& lock) {
  if (lock->queues && lock->phase == Phase::asking) {
    lock->when = round_end(now, std::min(lock->ttl, claim_time));
    arm(lock);
  }
  lock->phase = Phase::writing_fence;
  lock->counter = 0;
  for (const auto& part : lock->parts) {
    if (part.lease) {
      lock->counter = std::max(lock->counter, part.lease->fence.counter);
    }
  }
  for (std::size_t member = 0; member < members_.size(); ++member) {
    if (lock->parts[member].lease) {
      write_fence(now, lock, member);
    }
  }
  begin(now, lock);
}

void Quorum::write_fence(Instant now, const LockPtr& lock, std::size_t member) {
  auto& part = lock->parts[member];
  part.again.reset();
  if (!is_written(*lock, part)) {
    members_[member].engine->write_fence(now, *part.lease, lock->counter,
                                         lock->phase == Phase::writing_fence);
  }
}

// Readers that hold at once may have got the same counter from different servers. So the client
// writes it also on the server that it came from: a server that two majorities share accepts it
// from one of them.
bool Quorum::is_written(const QuorumLock& lock, const MemberLease& part) {
  return part.lease && (lock.permits ? part.written : part.lease->fence.counter) == lock.counter;
}

void Quorum::on_fence_written(Instant now, std::size_t member, const FenceWritten& written) {
  const auto found = members_[member].parts.find(written.lease);
  if (found == members_[member].parts.end()) {
    return;
  }
  const auto lock = found->second;
  auto& part = lock->parts[member];
  if (written.done && !written.passed) {
    part.written = part.lease->fence.counter;
  }
  if (!written.done) {
    again_later(now, *lock, part);
  } else if (lock->phase == Phase::writing_fence) {
    part.lease->fence.counter > lock->counter ? write_fence(now, lock) : begin(now, lock);
  } else if (lock->phase == Phase::held) {
    publish(*lock);                  // the expiry was set as well
    write_fence(now, lock, member);  // if another lease had the fence just before
  }
  arm(lock);
}

// To be called when a majority has the fence.
void Quorum::begin(Instant now, const LockPtr& lock) {
  const auto written =
      std::count_if(lock->parts.begin(), lock->parts.end(),
                    [&](const MemberLease& part) { return is_written(*lock, part); });
  if (static_cast<std::size_t>(written) < majority_) {
    return;
  }
  const auto& request = lock->waiters.front().request;
  const auto granted = lock->queues ? std::min(lock->ttl, claim_time) : lock->ttl;
  if (valid_until(*lock) - now < granted / 4) {
    came_too_late(now, lock);
    return;
  }
  lock->trouble_since.reset();
  ever_answered_ = true;
  lock->back_off = {};
  lock->too_late = 0;
  lock->splits = 0;
  lock->since = now;
  lock->end = request.end_of_hold(now);
  lock->phase = Phase::held;
  lock->when = lock->end;
  auto record = std::make_shared<LeaseRecord>();
  record->id = lock->permits ? lock->id : ++last_id_;
  record->key = lock->key;
  record->kind = lock->permits ? Kind::permits : Kind::mutex;
  record->token = std::find_if(lock->parts.begin(), lock->parts.end(), [](const MemberLease& part) {
                    return part.lease != nullptr;
                  })->lease->token;
  record->ttl = lock->ttl;
  record->fence = {lock->counter, 0};
  record->group = request.group;
  record->what = lease_kind(record->key, record->kind, lock->permits.value_or(Permits{}));
  record->since = now;
  lock->lease = record;
  publish(*lock);
  leave_queues(now, lock);
  for (auto& part : lock->parts) {
    if (!part.lease && part.asked == 0) {
      again_later(now, *lock, part);
    }
  }
  output_.statistics->acquired(*record, AcquiredBy::request, now - lock->waiters.front().since);
  waiters_.hand_to_front(now, *lock, std::move(record), AcquiredBy::request);
  arm(lock);
}

void Quorum::came_too_late(Instant now, const LockPtr& lock) {
  drop_parts(now, lock, 0);
  if (++lock->too_late >= max_too_late) {
    const auto front = lock->waiters.begin();
    refuse(now, lock, front,
           {front->id, Refusal::Kind::failed, errc::unreachable,
            "the server's replies take longer than the ttl: use a longer ttl"});
  } else {
    rest(now, lock);
  }
}

void Quorum::time_out_round(Instant now, const LockPtr& lock) {
  for (std::size_t member = 0; member < members_.size(); ++member) {
    auto& part = lock->parts[member];
    const bool unwritten =
        lock->phase == Phase::writing_fence && part.lease && !is_written(*lock, part);
    const bool unanswered = part.asked != 0 && part.outcome != Outcome::busy;
    if (unanswered || unwritten) {
      part.outcome = Outcome::silent;
      part.code = errc::unreachable;
      suspect(now, member);
    }
  }
  give_up_round(now, lock);
}

Quorum::Trouble Quorum::trouble(Instant now, QuorumLock& lock) const {
  const auto& front = lock.waiters.front();
  std::size_t failed = 0;
  std::size_t silent = 0;
  bool is_told = true;      // each silent server has a reason
  bool is_misused = false;  // no time mends it
  Refusal refusal{front.id, Refusal::Kind::failed, errc::unreachable,
                  "no majority of the servers answers"};
  Refusal worse = refusal;
  for (const auto& part : lock.parts) {
    failed += part.outcome == Outcome::failed ? 1 : 0;
    silent += part.outcome == Outcome::silent ? 1 : 0;
    if (part.outcome == Outcome::failed) {
      worse.code = part.code;
      worse.what = part.what;
      is_misused = is_misused || part.code == errc::usage;
    } else if (part.outcome == Outcome::silent) {
      is_told = is_told && !part.what.empty();
      if (!part.what.empty()) {
        refusal.code = part.code;
        refusal.what = "no majority of the servers answers: " + part.what;
      }
    }
  }
  const auto max_missing = members_.size() - majority_;
  if (failed + silent <= max_missing) {
    return {};
  }
  if (failed > max_missing || is_misused) {
    return {true, std::move(worse)};
  }
  if (!lock.trouble_since) {
    lock.trouble_since = now;
  }
  const bool hopeless = !ever_answered_ && is_told;
  if (!front.request.wait || hopeless || now - *lock.trouble_since >= settings_.patience) {
    return {true, std::move(refusal)};
  }
  return {true, std::nullopt};
}

// There is no majority. Releases all parts at once.
void Quorum::give_up_round(Instant now, const LockPtr& lock) {
  auto found = trouble(now, *lock);
  const bool is_split = held(*lock) > 0;
  drop_parts(now, lock, 0);
  const auto front = lock->waiters.begin();
  if (!found.is_there) {
    ever_answered_ = true;
    lock->trouble_since.reset();
  }
  if (found.refusal) {
    refuse(now, lock, front, std::move(*found.refusal));
  } else if (front->request.wait) {
    rest(now, lock);
  } else if (is_split && ++lock->splits <= max_splits) {
    // A shorter pause than a round trip would let no client get ahead.
    lock->back_off = std::max(lock->back_off, now - lock->asked_at);
    rest(now, lock);
  } else {
    refuse(now, lock, front, {front->id, Refusal::Kind::busy, {}, {}});
  }
}

void Quorum::rest(Instant now, const LockPtr& lock) {
  lock->back_off = rest_backoff.after(lock->back_off);
  lock->phase = Phase::resting;
  lock->when = now + jittered(lock->back_off);
  arm(lock);
}

}  // namespace dlock::core
