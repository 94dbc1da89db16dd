// Quorum: who waits, and which event goes where.
#include "core/quorum/quorum.hpp"

#include <algorithm>

namespace dlock::core {
namespace {

constexpr std::string_view what_can_be_held =
    "a quorum supports only mutexes and reader-writer locks: ";

// Why no majority makes sense of it; empty if one does.
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

Quorum::Quorum(Settings settings, const std::vector<Engine*>& nodes)
    : settings_(std::move(settings)), majority_(nodes.size() / 2 + 1) {
  for (auto* engine : nodes) {
    nodes_.emplace_back().engine = engine;
  }
}

Quorum::~Quorum() = default;

// --- what users do ------------------------------------------------------------------------------

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
  const auto found = lines_.find(name);
  const bool is_new = found == lines_.end();
  if (!is_new && !request.wait) {
    // Somebody of this client holds it or is before us.
    act(Refusal{waiter, Refusal::Kind::busy, {}, {}});
    return;
  }
  LinePtr line;
  if (is_new) {
    line = std::make_shared<Line>();
    line->id = id;
    line->key = request.key;
    line->permits = request.permits;
    line->parts.resize(nodes_.size());
    lines_.emplace(name, line);
  } else {
    line = found->second;
  }
  waiters_.enter(line, waiter, std::move(request));
  if (is_new) {
    ask(now, line);
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
    const auto [line, place] = *found;
    refuse(now, line, place, {waiter, Refusal::Kind::cancelled, {}, {}});
  }
}

void Quorum::close(Instant now) {
  closing_ = true;
  for (const auto waiter : waiters_.ids()) {
    cancel(now, waiter);
  }
}

// Ends one wait. What the first of a line had on the servers is given back.
void Quorum::refuse(Instant now, const LinePtr& line, WaiterQueue::iterator waiter,
                    Refusal refusal) {
  const bool was_front = waiter == line->waiters.begin();
  waiters_.refuse(*line, waiter, std::move(refusal));
  if (line->phase == Phase::held || line->phase == Phase::over) {
    return;
  }
  if (was_front) {
    drop_parts(now, line, 0);
    line->too_late = 0;
    line->splits = 0;
  }
  if (line->waiters.empty()) {
    erase(line);
  } else if (was_front && line->phase != Phase::resting) {
    rest(now, line);
  }
}

void Quorum::erase(const LinePtr& line) {
  line->when.reset();
  line->phase = Phase::resting;
  arm(line);
  lines_.erase(name_of(line->permits, line->key, line->id));
}

// Readers of one client hold at once, so each wait for permits is a line of its own, and its lease
// has the id of that. No lock key begins as the names of these do.
std::string Quorum::name_of(const std::optional<Permits>& permits, const std::string& key,
                            std::uint64_t id) {
  return permits ? Token{token_prefix} + std::to_string(id) : key;
}

Quorum::LinePtr Quorum::line_of(const LeaseRecord& lease) const {
  const auto permits = lease.kind == Kind::permits ? std::optional{Permits{}} : std::nullopt;
  const auto found = lines_.find(name_of(permits, lease.key, lease.id));
  const bool is_its =
      found != lines_.end() && found->second->lease && found->second->lease->id == lease.id;
  return is_its ? found->second : nullptr;
}

// --- events -------------------------------------------------------------------------------------

bool Quorum::on_part(Instant now, std::size_t node, const Action& action) {
  if (const auto* obtained = std::get_if<Obtained>(&action)) {
    on_obtained(now, node, *obtained);
  } else if (const auto* refusal = std::get_if<Refusal>(&action)) {
    on_refusal(now, node, *refusal);
  } else if (const auto* released = std::get_if<Released>(&action)) {
    on_released(node, *released);
  } else if (const auto* lost = std::get_if<Lost>(&action)) {
    on_lost(now, node, *lost);
  } else if (const auto* renewed = std::get_if<Renewed>(&action)) {
    on_renewed(node, *renewed);
  } else if (const auto* written = std::get_if<FenceWritten>(&action)) {
    on_fence_written(now, node, *written);
  } else if (const auto* queued = std::get_if<Queued>(&action)) {
    on_queued(now, node, *queued);
  } else {
    return false;
  }
  return true;
}

void Quorum::on_timer(Instant now) {
  while (true) {
    const auto first = timers_.empty() ? Instant::max() : timers_.begin()->when;
    const auto deadline = waiters_.next_deadline().value_or(Instant::max());
    if (now < std::min(first, deadline)) {
      return;
    }
    if (deadline < first) {
      time_out(now);
      continue;
    }
    const auto line = timers_.begin()->line;
    timers_.erase(timers_.begin());
    line->timer.reset();
    on_due(now, line);
    arm(line);
  }
}

// Nobody can say whether the lock was free while no majority answered.
void Quorum::time_out(Instant now) {
  const auto [line, waiter] = waiters_.next_to_end();
  if (waiter->request.wait && !line->trouble_since) {
    refuse(now, line, waiter, {waiter->id, Refusal::Kind::timed_out, {}, {}});
  } else {
    refuse(now, line, waiter,
           {waiter->id, Refusal::Kind::failed, errc::unreachable,
            "no majority of the servers answered in time"});
  }
}

void Quorum::on_due(Instant now, const LinePtr& line) {
  if (line->when && *line->when <= now) {
    switch (line->phase) {
      case Phase::resting:
        ask(now, line);
        return;
      case Phase::asking:
        line->queues    ? go_on_waiting(now, line)
        : line->lingers ? give_up_round(now, line)
                        : time_out_round(now, line);
        return;
      case Phase::writing_fence:
        time_out_round(now, line);
        return;
      case Phase::held:
        lose(now, line, Loss::max_hold);
        return;
      case Phase::over:
        drop_parts(now, line, 0);
        after_hold(now, line);
        return;
    }
  }
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    if (const auto again = line->parts[node].again; again && *again <= now) {
      take_again(now, line, node);
    }
  }
}

std::optional<Instant> Quorum::next_timer() const {
  const auto deadline = waiters_.next_deadline();
  if (timers_.empty()) {
    return deadline;
  }
  const auto first = timers_.begin()->when;
  return std::min(deadline.value_or(first), first);
}

void Quorum::arm(const LinePtr& line) {
  auto when = line->when;
  for (const auto& part : line->parts) {
    if (part.again) {
      when = std::min(when.value_or(*part.again), *part.again);
    }
  }
  if (line->timer && (!when || (*line->timer)->when != *when)) {
    timers_.erase(*line->timer);
    line->timer.reset();
  }
  if (when && !line->timer) {
    line->timer = timers_.insert(Timer{*when, line->id, line}).first;
  }
}

}  // namespace dlock::core
