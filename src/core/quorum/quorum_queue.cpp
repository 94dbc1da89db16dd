// Quorum: waits in the queues of the servers, for readers and writers. Each server grants in its
// own order and time, so parts come one by one, and others may get theirs elsewhere.
#include <algorithm>

#include "core/quorum/quorum.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

// For so long parts that are too few wait for the rest. It grows, so that slow servers get there.
constexpr Backoff patience{milliseconds{32}, milliseconds{400}};

}  // namespace

void Quorum::on_queued(Instant now, std::size_t node, const Queued& queued) {
  const auto found = nodes_[node].tries.find(queued.waiter);
  if (found == nodes_[node].tries.end()) {
    return;
  }
  const auto line = found->second;
  auto& part = line->parts[node];
  if (queued.heard) {
    answered(node);
    part.outcome = Outcome::busy;
    (void)parse_number(queued.ticket, part.ticket);
  } else {
    suspect(now, node);
    part.outcome = Outcome::silent;
    part.code = errc::unreachable;
    part.what.clear();
  }
  if (line->phase == Phase::asking) {
    decide(now, line);
  } else if (line->phase == Phase::held && queued.heard) {
    leave_queue(now, line, node);
    again_later(now, *line, part);
    arm(line);
  }
}

// No majority yet. The places in the queues stay. But two who each hold what the other lacks would
// wait for ever: so parts are kept for a while only.
void Quorum::go_on_waiting(Instant now, const LinePtr& line) {
  auto found = trouble(now, *line);
  if (found.refusal) {
    drop_parts(now, line, 0);
    refuse(now, line, line->waiters.begin(), std::move(*found.refusal));
    return;
  }
  const auto told = std::count_if(line->parts.begin(), line->parts.end(), [](const Part& part) {
    return part.lease || part.outcome == Outcome::busy;
  });
  if (!found.is_there && static_cast<std::size_t>(told) >= majority_) {
    ever_answered_ = true;
    line->trouble_since.reset();
  }
  if (line->give_back_at && *line->give_back_at <= now) {
    give_parts_back(now, line);
  }
  if (held(*line) == 0) {
    line->give_back_at.reset();
  } else if (!line->give_back_at) {
    const auto max = std::min(patience.max, std::min(line->ttl, claim_time) / 4);
    line->back_off = Backoff{patience.initial, max}.after(line->back_off);
    line->give_back_at = now + jittered(line->back_off);
  }
  line->when = line->give_back_at;
  if (found.is_there) {
    const auto end = *line->trouble_since + settings_.patience;
    line->when = std::min(line->when.value_or(end), end);
  }
  arm(line);
}

// To whoever stands next in those queues. From then on its place is the same in all queues, by one
// ticket: so they come into one order, and at last the same stands first in all.
void Quorum::give_parts_back(Instant now, const LinePtr& line) {
  line->give_back_at.reset();
  for (const auto& part : line->parts) {
    if (line->ticket == 0 && part.lease) {
      line->ticket = part.ticket;
    }
  }
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto& part = line->parts[node];
    if (part.lease) {
      nodes_[node].parts.erase(part.lease->id);
      nodes_[node].engine->release(now, *std::exchange(part.lease, nullptr));
      part.outcome = Outcome::busy;  // it is alive, and may be somebody else's now
      try_part(now, line, node);
    } else if (part.asked != 0 && part.outcome == Outcome::busy && part.ticket != line->ticket) {
      leave_queue(now, line, node);
      try_part(now, line, node);
    }
  }
}

void Quorum::leave_queue(Instant now, const LinePtr& line, std::size_t node) {
  auto& part = line->parts[node];
  nodes_[node].tries.erase(part.asked);
  nodes_[node].engine->cancel(now, std::exchange(part.asked, 0));
}

// Of those who have a majority: a part that came late would keep others out meanwhile. What is not
// in a queue yet may still come at once.
void Quorum::leave_queues(Instant now, const LinePtr& line) {
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    const auto& part = line->parts[node];
    if (part.asked != 0 && part.outcome == Outcome::busy) {
      leave_queue(now, line, node);
    }
  }
}

}  // namespace dlock::core
