// Quorum: the waits, and the routing of events.
#include "core/quorum/quorum.hpp"

#include <algorithm>

namespace dlock::core {
namespace {

constexpr std::string_view what_can_be_held =
    "a quorum supports only mutexes and reader-writer locks: ";

// The reason why a quorum cannot serve this request; empty if it can.
std::string_view objection(const AcquireRequest& request) {
  if (request.gate) {
    return "each server would count its own waiters at a condition, latch or barrier";
  }
  if (request.permits && request.permits->capacity != shared_capacity) {
    return "two majorities of the servers could grant a semaphore's permits twice";
  }
  const bool reads_or_writes = !request.permits || request.permits->weight == reader_weight ||
                               request.permits->weight == writer_weight;
  return reads_or_writes ? "" : "an upgradeable reader could not become the writer on all servers";
}

}  // namespace

Quorum::Quorum(Settings settings, const std::vector<Engine*>& engines)
    : settings_(std::move(settings)), majority_(engines.size() / 2 + 1) {
  if (settings_.statistics) {
    output_.statistics = settings_.statistics;
  }
  for (auto* engine : engines) {
    members_.emplace_back().engine = engine;
  }
}

Quorum::~Quorum() = default;

// --- requests of users --------------------------------------------------------------------------

void Quorum::acquire(Instant now, WaiterId waiter, AcquireRequest request) {
  if (closing_) {
    act(Refusal{waiter, Refusal::Kind::cancelled, {}, {}});
    return;
  }
  if (const auto why = objection(request); !why.empty()) {
    act(Refusal{waiter, Refusal::Kind::failed, errc::usage,
                std::string{what_can_be_held}.append(why)});
    return;
  }
  const auto id = ++last_id_;
  const auto name = name_of(request.permits, request.key, id);
  const auto found = locks_.find(name);
  const bool is_new = found == locks_.end();
  if (!is_new && !request.wait) {
    // A thread of this client holds it or waits already.
    act(Refusal{waiter, Refusal::Kind::busy, {}, {}});
    return;
  }
  LockPtr lock;
  if (is_new) {
    lock = std::make_shared<QuorumLock>();
    lock->id = id;
    lock->key = request.key;
    lock->permits = request.permits;
    lock->parts.resize(members_.size());
    locks_.emplace(name, lock);
  } else {
    lock = found->second;
  }
  waiters_.enter(now, lock, waiter, std::move(request));
  if (is_new) {
    ask(now, lock);
  }
}

void Quorum::acquire_all(Instant /*now*/,
                         const std::vector<std::pair<WaiterId, AcquireRequest>>& requests) {
  for (const auto& [waiter, request] : requests) {
    act(Refusal{waiter, Refusal::Kind::failed, errc::usage,
                "several locks cannot be taken in one step on a majority of servers"});
  }
}

void Quorum::exchange(Instant /*now*/, WaiterId waiter, const AcquireRequest& /*request*/,
                      const LeaseRecord& /*lease*/) {
  act(Refusal{waiter, Refusal::Kind::failed, errc::usage,
              "a lease on a majority of servers cannot be upgraded or downgraded"});
}

void Quorum::cancel(Instant now, WaiterId waiter) {
  if (const auto* found = waiters_.find(waiter)) {
    const auto [lock, place] = *found;
    refuse(now, lock, place, {waiter, Refusal::Kind::cancelled, {}, {}});
  }
}

void Quorum::close(Instant now) {
  closing_ = true;
  for (const auto waiter : waiters_.ids()) {
    cancel(now, waiter);
  }
}

// Ends one wait, and releases what the first wait of a lock had on the servers.
void Quorum::refuse(Instant now, const LockPtr& lock, WaiterQueue::iterator waiter,
                    Refusal refusal) {
  const bool was_front = waiter == lock->waiters.begin();
  waiters_.refuse(*lock, waiter, std::move(refusal));
  if (lock->phase == Phase::held || lock->phase == Phase::over) {
    return;
  }
  if (was_front) {
    drop_parts(now, lock, 0);
    lock->too_late = 0;
    lock->splits = 0;
  }
  if (lock->waiters.empty()) {
    erase(lock);
  } else if (was_front && lock->phase != Phase::resting) {
    rest(now, lock);
  }
}

void Quorum::erase(const LockPtr& lock) {
  lock->when.reset();
  lock->phase = Phase::resting;
  arm(lock);
  locks_.erase(name_of(lock->permits, lock->key, lock->id));
}

// Several readers of one client may hold at once, so each wait for permits is a lock of its own,
// with a name that no lock key begins with; its lease has the id of that lock.
std::string Quorum::name_of(const std::optional<Permits>& permits, std::string_view key,
                            std::uint64_t id) {
  return permits ? std::string{token_prefix} + std::to_string(id) : std::string{key};
}

Quorum::LockPtr Quorum::lock_of(const LeaseRecord& lease) const {
  const auto permits = lease.kind == Kind::permits ? std::optional{Permits{}} : std::nullopt;
  const auto found = locks_.find(name_of(permits, lease.key, lease.id));
  const bool is_its =
      found != locks_.end() && found->second->lease && found->second->lease->id == lease.id;
  return is_its ? found->second : nullptr;
}

// --- events -------------------------------------------------------------------------------------

bool Quorum::on_action(Instant now, std::size_t member, const Action& action) {
  if (const auto* obtained = std::get_if<Obtained>(&action)) {
    on_obtained(now, member, *obtained);
  } else if (const auto* refusal = std::get_if<Refusal>(&action)) {
    on_refusal(now, member, *refusal);
  } else if (const auto* released = std::get_if<Released>(&action)) {
    on_released(member, *released);
  } else if (const auto* lost = std::get_if<Lost>(&action)) {
    on_lost(now, member, *lost);
  } else if (const auto* renewed = std::get_if<Renewed>(&action)) {
    on_renewed(member, *renewed);
  } else if (const auto* written = std::get_if<FenceWritten>(&action)) {
    on_fence_written(now, member, *written);
  } else if (const auto* queued = std::get_if<Queued>(&action)) {
    on_queued(now, member, *queued);
  } else {
    return false;
  }
  return true;
}

void Quorum::on_timer(Instant now) {
  while (true) {
    const auto first = timers_.next();
    const auto deadline = waiters_.next_deadline().value_or(Instant::max());
    if (now < std::min(first, deadline)) {
      return;
    }
    if (deadline < first) {
      time_out(now);
      continue;
    }
    const auto lock = timers_.front();
    timers_.remove(*std::exchange(lock->timer, std::nullopt));
    on_due(now, lock);
    arm(lock);
  }
}

// While no majority answered, the client cannot know whether the lock was free.
void Quorum::time_out(Instant now) {
  const auto [lock, waiter] = waiters_.next_to_end();
  if (waiter->request.wait && !lock->trouble_since) {
    refuse(now, lock, waiter, {waiter->id, Refusal::Kind::timed_out, {}, {}});
  } else {
    refuse(now, lock, waiter,
           {waiter->id, Refusal::Kind::failed, errc::unreachable,
            "no majority of the servers answered in time"});
  }
}

void Quorum::on_due(Instant now, const LockPtr& lock) {
  if (lock->when && *lock->when <= now) {
    switch (lock->phase) {
      case Phase::resting:
        ask(now, lock);
        return;
      case Phase::asking:
        lock->queues    ? go_on_waiting(now, lock)
        : lock->lingers ? give_up_round(now, lock)
                        : time_out_round(now, lock);
        return;
      case Phase::writing_fence:
        time_out_round(now, lock);
        return;
      case Phase::held:
        lose(now, lock, Loss::max_hold);
        return;
      case Phase::over:
        drop_parts(now, lock, 0);
        after_hold(now, lock);
        return;
    }
  }
  for (std::size_t member = 0; member < members_.size(); ++member) {
    if (const auto again = lock->parts[member].again; again && *again <= now) {
      take_again(now, lock, member);
    }
  }
}

std::optional<Instant> Quorum::next_timer() const {
  const auto deadline = waiters_.next_deadline();
  if (timers_.empty()) {
    return deadline;
  }
  return std::min(deadline.value_or(timers_.next()), timers_.next());
}

void Quorum::arm(const LockPtr& lock) {
  auto when = lock->when;
  for (const auto& part : lock->parts) {
    if (part.again) {
      when = std::min(when.value_or(*part.again), *part.again);
    }
  }
  if (lock->timer) {
    timers_.remove(*std::exchange(lock->timer, std::nullopt));
  }
  if (when) {
    lock->timer = timers_.add(*when, lock->id, lock);
  }
}

}  // namespace dlock::core
