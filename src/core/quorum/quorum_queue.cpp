// Quorum: waits in the queues of the servers, for readers and writers. Each server grants in its
// own order and time, so parts come one by one, and other clients may get parts on other servers.
#include <algorithm>

#include "core/quorum/quorum.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

// How long a lock keeps parts that are too few. It grows, so that slow servers can answer in time.
constexpr Backoff part_hold{milliseconds{32}, milliseconds{400}};

}  // namespace

void Quorum::on_queued(Instant now, std::size_t member, const Queued& queued) {
  const auto found = members_[member].tries.find(queued.waiter);
  if (found == members_[member].tries.end()) {
    return;
  }
  const auto lock = found->second;
  auto& part = lock->parts[member];
  if (queued.heard) {
    answered(member);
    part.outcome = Outcome::busy;
    (void)parse_number(queued.ticket, part.ticket);
  } else {
    suspect(now, member);
    part.outcome = Outcome::silent;
    part.code = errc::unreachable;
    part.what.clear();
  }
  if (lock->phase == Phase::asking) {
    decide(now, lock);
  } else if (lock->phase == Phase::held && queued.heard) {
    leave_queue(now, lock, member);
    again_later(now, *lock, part);
    arm(lock);
  }
}

// There is no majority yet. The places in the queues stay. But two clients that each have a part
// the other lacks would block each other, so the quorum keeps such parts only for a while.
void Quorum::go_on_waiting(Instant now, const LockPtr& lock) {
  auto found = trouble(now, *lock);
  if (found.refusal) {
    drop_parts(now, lock, 0);
    refuse(now, lock, lock->waiters.begin(), std::move(*found.refusal));
    return;
  }
  const auto told = std::count_if(
      lock->parts.begin(), lock->parts.end(),
      [](const MemberLease& part) { return part.lease || part.outcome == Outcome::busy; });
  if (!found.is_there && static_cast<std::size_t>(told) >= majority_) {
    ever_answered_ = true;
    lock->trouble_since.reset();
  }
  if (lock->give_back_at && *lock->give_back_at <= now) {
    give_parts_back(now, lock);
  }
  if (held(*lock) == 0) {
    lock->give_back_at.reset();
  } else if (!lock->give_back_at) {
    const auto max = std::min(part_hold.max, std::min(lock->ttl, claim_time) / 4);
    lock->back_off = Backoff{part_hold.initial, max}.after(lock->back_off);
    lock->give_back_at = now + jittered(lock->back_off);
  }
  lock->when = lock->give_back_at;
  if (found.is_there) {
    const auto end = *lock->trouble_since + settings_.patience;
    lock->when = std::min(lock->when.value_or(end), end);
  }
  arm(lock);
}

// Returns parts to the next waiters in those queues. From then on this waiter has one ticket in all
// queues, so that they get the same order, and in the end the same waiter is first in all.
void Quorum::give_parts_back(Instant now, const LockPtr& lock) {
  lock->give_back_at.reset();
  for (const auto& part : lock->parts) {
    if (lock->ticket == 0 && part.lease) {
      lock->ticket = part.ticket;
    }
  }
  for (std::size_t member = 0; member < members_.size(); ++member) {
    auto& part = lock->parts[member];
    if (part.lease) {
      members_[member].parts.erase(part.lease->id);
      members_[member].engine->release(now, *std::exchange(part.lease, nullptr));
      part.outcome = Outcome::busy;  // the server answers, and another client may have it now
      try_part(now, lock, member);
    } else if (part.asked != 0 && part.outcome == Outcome::busy && part.ticket != lock->ticket) {
      leave_queue(now, lock, member);
      try_part(now, lock, member);
    }
  }
}

void Quorum::leave_queue(Instant now, const LockPtr& lock, std::size_t member) {
  auto& part = lock->parts[member];
  members_[member].tries.erase(part.asked);
  members_[member].engine->cancel(now, std::exchange(part.asked, 0));
}

// A lock with a majority leaves the other queues: a late part would keep other clients out. A part
// that is not in a queue yet may still come at once.
void Quorum::leave_queues(Instant now, const LockPtr& lock) {
  for (std::size_t member = 0; member < members_.size(); ++member) {
    const auto& part = lock->parts[member];
    if (part.asked != 0 && part.outcome == Outcome::busy) {
      leave_queue(now, lock, member);
    }
  }
}

}  // namespace dlock::core
