// Quorum: from a request to a lease. All servers are asked at once; a majority decides.
#include <algorithm>

#include "core/quorum/quorum.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

constexpr Backoff rest_backoff{milliseconds{16}, milliseconds{400}};
constexpr Backoff probe_backoff{milliseconds{250},
                                std::chrono::seconds{4}};  ///< of a silent server
constexpr int max_too_late = 5;
/// So often a try is repeated that got some parts: it may be that nobody has the lock, as many
/// tried at once.
constexpr int max_splits = 4;
constexpr Duration max_linger = milliseconds{25};  ///< of a try, to see whether it got some

// Whether it ends by itself. Else trying again would be pointless.
bool passes(errc code) {
  return code == errc::unreachable || code == errc::loading || code == errc::store_unusable;
}

}  // namespace

void Quorum::ask(Instant now, const LinePtr& line) {
  const auto& request = line->waiters.front().request;
  line->phase = Phase::asking;
  line->ttl = request.ttl;
  line->renew = request.renew;
  line->queues = line->permits && request.wait;
  line->asked_at = now;
  line->give_back_at.reset();
  line->lingers = false;
  line->when.reset();
  if (!line->queues) {
    line->when = round_end(now, line->ttl);
  }
  const auto is_spared = [now](const Node& node) { return node.suspect && now < node.probe_at; };
  const auto spared =
      static_cast<std::size_t>(std::count_if(nodes_.begin(), nodes_.end(), is_spared));
  const bool all = nodes_.size() - spared < majority_;
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto& part = line->parts[node];
    part = Part{};
    if (all || !is_spared(nodes_[node])) {
      try_part(now, line, node);
    } else {
      part.outcome = Outcome::silent;
      part.code = errc::unreachable;
      if (line->queues) {
        again_later(now, *line, part);
      }
    }
  }
  arm(line);
}

// Whoever is first is ours for a part of its time only, so slow ones get no more than that.
Instant Quorum::round_end(Instant now, Duration ttl) const {
  return now + std::min(settings_.request_timeout, ttl / 2);
}

void Quorum::try_part(Instant now, const LinePtr& line, std::size_t node) {
  auto& part = line->parts[node];
  part.again.reset();
  part.asked = ++last_id_;
  nodes_[node].tries[part.asked] = line;
  if (nodes_[node].suspect) {
    suspect(now, node);  // the next one comes after its answer, or later
  }
  AcquireRequest request{.key = line->key, .ttl = line->ttl, .renew = line->renew};
  request.wait = line->queues && line->phase == Phase::asking;
  request.permits = line->permits;
  request.part = true;
  if (request.wait && line->ticket != 0) {
    part.ticket = line->ticket;
    request.ticket = std::to_string(part.ticket);
  }
  nodes_[node].engine->acquire(now, part.asked, std::move(request));
}

void Quorum::answered(std::size_t node) {
  nodes_[node].suspect = false;
  nodes_[node].back_off = {};
}

void Quorum::suspect(Instant now, std::size_t node) {
  auto& it = nodes_[node];
  it.suspect = true;
  it.back_off = probe_backoff.after(it.back_off);
  it.probe_at = now + jittered(it.back_off);
}

void Quorum::on_obtained(Instant now, std::size_t node, const Obtained& obtained) {
  answered(node);
  const auto found = nodes_[node].tries.find(obtained.waiter);
  if (found == nodes_[node].tries.end()) {
    nodes_[node].engine->release(now, *obtained.lease);  // not wanted any more
    return;
  }
  const auto line = found->second;
  nodes_[node].tries.erase(found);
  auto& part = line->parts[node];
  part.asked = 0;
  part.back_off = {};
  part.outcome = Outcome::none;
  part.written = 0;
  part.lease = obtained.lease;
  if (part.ticket == 0) {
    part.ticket = part.lease->fence.counter;  // by the same clock
  }
  nodes_[node].parts[part.lease->id] = line;
  if (line->phase == Phase::asking) {
    decide(now, line);
    return;
  }
  if (line->phase == Phase::held) {
    if (line->lease->left(now) == Duration::zero()) {
      // What was over must not begin again: others may have held it since.
      lose(now, line, overdue(now, *line));
      return;
    }
    if (line->lease->fence.sequence > 0) {
      part.lease->fence.sequence = line->lease->fence.sequence;
      nodes_[node].engine->record(now, *part.lease);
    }
    publish(*line);
  }
  if (line->permits && line->phase == Phase::writing_fence &&
      part.lease->fence.counter > line->counter) {
    write_fence(now, line);
  } else {
    write_fence(now, line, node);
  }
  arm(line);
}

void Quorum::on_refusal(Instant now, std::size_t node, const Refusal& refusal) {
  const auto found = nodes_[node].tries.find(refusal.waiter);
  if (found == nodes_[node].tries.end()) {
    return;
  }
  const auto line = found->second;
  nodes_[node].tries.erase(found);
  auto& part = line->parts[node];
  part.asked = 0;
  if (refusal.kind == Refusal::Kind::busy) {
    part.outcome = Outcome::busy;
    answered(node);
  } else {
    const bool is_failure = refusal.kind == Refusal::Kind::failed;
    part.code = is_failure ? refusal.code : errc::unreachable;
    part.what = is_failure ? refusal.what : "";
    part.outcome = passes(part.code) ? Outcome::silent : Outcome::failed;
    if (part.outcome == Outcome::silent) {
      suspect(now, node);
    } else {
      answered(node);
    }
  }
  if (line->phase == Phase::asking) {
    if (line->queues) {
      again_later(now, *line, part);
    }
    decide(now, line);
  } else if (line->phase == Phase::held) {
    again_later(now, *line, part);
    arm(line);
  }
}

// As soon as a majority is ours, or cannot be.
void Quorum::decide(Instant now, const LinePtr& line) {
  std::size_t ours = 0;
  std::size_t open = 0;
  std::size_t told = 0;
  bool hopeful = false;
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    const auto& part = line->parts[node];
    ours += part.lease ? 1 : 0;
    open += part.asked != 0 ? 1 : 0;
    told += part.lease || part.outcome == Outcome::busy ? 1 : 0;
    hopeful = hopeful || (part.asked != 0 && !nodes_[node].suspect);
  }
  if (ours >= majority_) {
    write_fence(now, line);
  } else if (line->queues) {
    go_on_waiting(now, line);
  } else if (ours + open < majority_ || (told >= majority_ && !hopeful)) {
    const bool is_busy = told + open >= majority_;
    if (!line->waiters.front().request.wait && is_busy && ours == 0 && hopeful) {
      linger(now, line);
    } else {
      give_up_round(now, line);
    }
  }
}

void Quorum::linger(Instant now, const LinePtr& line) {
  if (!std::exchange(line->lingers, true)) {
    line->when = std::min(*line->when, now + max_linger);
    arm(line);
  }
}

// The greatest of a majority's fences is above all that were used before, for those were written
// down on a server of it. So is the next one, once this is written down on a majority.
void Quorum::write_fence(Instant now, const LinePtr& line) {
  if (line->queues && line->phase == Phase::asking) {
    line->when = round_end(now, std::min(line->ttl, claim_time));
    arm(line);
  }
  line->phase = Phase::writing_fence;
  line->counter = 0;
  for (const auto& part : line->parts) {
    if (part.lease) {
      line->counter = std::max(line->counter, part.lease->fence.counter);
    }
  }
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    if (line->parts[node].lease) {
      write_fence(now, line, node);
    }
  }
  begin(now, line);
}

void Quorum::write_fence(Instant now, const LinePtr& line, std::size_t node) {
  auto& part = line->parts[node];
  part.again.reset();
  if (!is_written(*line, part)) {
    nodes_[node].engine->write_fence(now, *part.lease, line->counter,
                                     line->phase == Phase::writing_fence);
  }
}

// Readers who hold at once may have found the same counter on different servers. So each has it
// written even where it was found: a server that two majorities share writes it for one of them.
bool Quorum::is_written(const Line& line, const Part& part) {
  return part.lease && (line.permits ? part.written : part.lease->fence.counter) == line.counter;
}

void Quorum::on_fence_written(Instant now, std::size_t node, const FenceWritten& written) {
  const auto found = nodes_[node].parts.find(written.lease);
  if (found == nodes_[node].parts.end()) {
    return;
  }
  const auto line = found->second;
  auto& part = line->parts[node];
  if (written.done && !written.passed) {
    part.written = part.lease->fence.counter;
  }
  if (!written.done) {
    again_later(now, *line, part);
  } else if (line->phase == Phase::writing_fence) {
    part.lease->fence.counter > line->counter ? write_fence(now, line) : begin(now, line);
  } else if (line->phase == Phase::held) {
    publish(*line);                // the expiry was set as well
    write_fence(now, line, node);  // if it was passed just before
  }
  arm(line);
}

// Once a majority has the fence.
void Quorum::begin(Instant now, const LinePtr& line) {
  const auto written = std::count_if(line->parts.begin(), line->parts.end(),
                                     [&](const Part& part) { return is_written(*line, part); });
  if (static_cast<std::size_t>(written) < majority_) {
    return;
  }
  const auto& request = line->waiters.front().request;
  const auto granted = line->queues ? std::min(line->ttl, claim_time) : line->ttl;
  if (valid_until(*line) - now < granted / 4) {
    came_too_late(now, line);
    return;
  }
  line->trouble_since.reset();
  ever_answered_ = true;
  line->back_off = {};
  line->too_late = 0;
  line->splits = 0;
  line->since = now;
  line->end = request.end_of_hold(now);
  line->phase = Phase::held;
  line->when = line->end;
  auto record = std::make_shared<LeaseRecord>();
  record->id = line->permits ? line->id : ++last_id_;
  record->key = line->key;
  record->kind = line->permits ? Kind::permits : Kind::mutex;
  record->token = std::find_if(line->parts.begin(), line->parts.end(), [](const Part& part) {
                    return part.lease != nullptr;
                  })->lease->token;
  record->ttl = line->ttl;
  record->fence = {line->counter, 0};
  line->lease = record;
  publish(*line);
  leave_queues(now, line);
  for (auto& part : line->parts) {
    if (!part.lease && part.asked == 0) {
      again_later(now, *line, part);
    }
  }
  ++output_.counters.acquired;
  waiters_.hand_to_front(*line, std::move(record));
  arm(line);
}

void Quorum::came_too_late(Instant now, const LinePtr& line) {
  drop_parts(now, line, 0);
  if (++line->too_late >= max_too_late) {
    const auto front = line->waiters.begin();
    refuse(now, line, front,
           {front->id, Refusal::Kind::failed, errc::unreachable,
            "the server's replies take longer than the ttl: use a longer ttl"});
  } else {
    rest(now, line);
  }
}

void Quorum::time_out_round(Instant now, const LinePtr& line) {
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto& part = line->parts[node];
    const bool unwritten =
        line->phase == Phase::writing_fence && part.lease && !is_written(*line, part);
    const bool unanswered = part.asked != 0 && part.outcome != Outcome::busy;
    if (unanswered || unwritten) {
      part.outcome = Outcome::silent;
      part.code = errc::unreachable;
      suspect(now, node);
    }
  }
  give_up_round(now, line);
}

Quorum::Trouble Quorum::trouble(Instant now, Line& line) const {
  const auto& front = line.waiters.front();
  std::size_t failed = 0;
  std::size_t silent = 0;
  bool is_told = true;  // each of the silent has said why
  Refusal refusal{front.id, Refusal::Kind::failed, errc::unreachable,
                  "no majority of the servers answers"};
  Refusal worse = refusal;
  for (const auto& part : line.parts) {
    failed += part.outcome == Outcome::failed ? 1 : 0;
    silent += part.outcome == Outcome::silent ? 1 : 0;
    if (part.outcome == Outcome::failed) {
      worse.code = part.code;
      worse.what = part.what;
    } else if (part.outcome == Outcome::silent) {
      is_told = is_told && !part.what.empty();
      if (!part.what.empty()) {
        refusal.code = part.code;
        refusal.what = "no majority of the servers answers: " + part.what;
      }
    }
  }
  const auto max_missing = nodes_.size() - majority_;
  if (failed > max_missing) {
    return {true, std::move(worse)};
  }
  if (failed + silent <= max_missing) {
    return {};
  }
  if (!line.trouble_since) {
    line.trouble_since = now;
  }
  const bool hopeless = !ever_answered_ && is_told;
  if (!front.request.wait || hopeless || now - *line.trouble_since >= settings_.patience) {
    return {true, std::move(refusal)};
  }
  return {true, std::nullopt};
}

// No majority. What was got is given back at once.
void Quorum::give_up_round(Instant now, const LinePtr& line) {
  auto found = trouble(now, *line);
  const bool is_split = held(*line) > 0;
  drop_parts(now, line, 0);
  const auto front = line->waiters.begin();
  if (!found.is_there) {
    ever_answered_ = true;
    line->trouble_since.reset();
  }
  if (found.refusal) {
    refuse(now, line, front, std::move(*found.refusal));
  } else if (front->request.wait) {
    rest(now, line);
  } else if (is_split && ++line->splits <= max_splits) {
    // By less than the way takes, nobody would be before the others.
    line->back_off = std::max(line->back_off, now - line->asked_at);
    rest(now, line);
  } else {
    refuse(now, line, front, {front->id, Refusal::Kind::busy, {}, {}});
  }
}

void Quorum::rest(Instant now, const LinePtr& line) {
  line->back_off = rest_backoff.after(line->back_off);
  line->phase = Phase::resting;
  line->when = now + jittered(line->back_off);
  arm(line);
}

}  // namespace dlock::core
