// Referee: the promises, checked.
#include "simulation/referee.hpp"

#include <algorithm>

namespace dlock::sim {
namespace {

using std::to_string;

constexpr Duration most_passing = std::chrono::milliseconds{100};

std::string who(ProcessId process) { return "p" + to_string(process); }

std::string show(const core::LeaseRecord& record) {
  return to_string(record.fence.counter) + "+" + to_string(record.fence.sequence);
}

std::int64_t weight_of(const core::LeaseRecord& record) {
  return core::weight_of(record.token).value_or(1);
}

}  // namespace

void Referee::fail(std::string_view check, const std::string& what) {
  throw Violation{check, what};
}

// --- at the server ------------------------------------------------------------------------------

void Referee::asked(const std::string& key, const std::string& token, ProcessId process, bool hears,
                    bool first, std::int64_t capacity) {
  names_[key].capacity = capacity;
  auto& known = tokens_[token];
  known.key = key;
  known.process = process;
  known.hears = hears;
  known.first = first;
}

void Referee::queued(const std::string& token, std::int64_t ticket) {
  const auto& known = tokens_.at(token);
  auto& waiter = names_[known.key].waiting[token];
  if (waiter.ticket == 0) {
    waiter = {ticket, known.process, false};
  }
  waiter.disturbed = waiter.disturbed || !known.hears;
}

void Referee::acquired(const std::string& token, std::int64_t counter) {
  auto& known = tokens_.at(token);
  auto& name = names_[known.key];
  if (known.counters.contains(counter)) {
    name.waiting.erase(token);
    return;  // a repeat
  }
  if (counter <= name.counter) {
    fail("fence",
         known.key + ": handed out " + to_string(counter) + " after " + to_string(name.counter));
  }
  // A holder of permits whose fence the server has forgotten is given a new one.
  const bool holds = !known.counters.empty() && core::weight_of(token);
  if (!known.first && !holds) {
    in_order(known.key, name, token);
  }
  name.counter = counter;
  known.counters.insert(counter);
  name.waiting.erase(token);
}

// Nobody who waits undisturbed is passed over.
void Referee::in_order(const std::string& key, const Name& name, const std::string& token) {
  // The server passes over so many dead waiters in one call; behind them it sees nobody.
  constexpr int most_dead = 64;
  const auto dead = std::count_if(name.waiting.begin(), name.waiting.end(),
                                  [](const auto& entry) { return entry.second.disturbed; });
  if (order_is_lost_ || dead >= most_dead || !stage_.plan.clock_is_sane()) {
    return;
  }
  const auto mine = name.waiting.find(token);
  for (const auto& [other, waiter] : name.waiting) {
    if (!waiter.disturbed && other != token &&
        (mine == name.waiting.end() || waiter.ticket < mine->second.ticket)) {
      fail("order", key + ": " + token + " got the lock before " + other + ", who waits since " +
                        to_string(waiter.ticket));
    }
  }
}

void Referee::left(const std::string& token) {
  if (const auto known = tokens_.find(token); known != tokens_.end()) {
    names_[known->second.key].waiting.erase(token);
  }
}

void Referee::ran(const std::string& key) {
  auto& name = names_[key];
  // A look at a long queue is slow, and the next look would see the same.
  const bool looks = name.waiting.size() < 20 || ++runs_ % 16 == 0;
  for (auto& held : name.held) {
    if (looks) {
      check(key, name, held);
    }
  }
}

void Referee::forgotten(const std::string& key) {
  for (auto& [name_key, name] : names_) {
    if (key.empty() || key == name_key) {
      name.excused = name.counter;
      for (auto& [token, waiter] : name.waiting) {
        waiter.disturbed = true;
      }
    }
  }
}

void Referee::foreign(const std::string& key, std::optional<Time> until) {
  auto& name = names_[key];
  name.foreign_until = until;
  if (until) {
    for (auto& held : name.held) {
      exclude(key, name, held);
    }
  }
}

// --- in the processes ---------------------------------------------------------------------------

Duration Referee::left_of(const Held& held) const {
  return held.record->left(held.clock->at(stage_.now()));
}

void Referee::obtained(ProcessId process, const Clock& clock,
                       const std::shared_ptr<core::LeaseRecord>& record) {
  auto& name = names_[record->key];
  const auto local = clock.at(stage_.now());
  const auto known = tokens_.find(record->token);
  if (known == tokens_.end() || !known->second.counters.contains(record->fence.counter)) {
    fail("fence", record->key + ": " + who(process) + " holds under " + show(*record) +
                      ", which the server never handed out");
  }
  auto& row = rows_[record->token + ' ' + to_string(record->fence.counter)];
  if (record->fence.sequence == 0) {
    row = {local, 0};
  } else if (record->fence.sequence != row.sequence + 1 ||
             record->fence.sequence >= core::Fence::max_sequences) {
    fail("fence", record->key + ": hand-off inside " + who(process) + " got " + show(*record) +
                      " after sequence " + to_string(row.sequence));
  } else if (local - row.began > most_passing) {
    fail("passing", record->key + ": " + who(process) + " passes the lock on for " +
                        to_string((local - row.began).count() / 1'000'000) + " ms");
  }
  row.sequence = record->fence.sequence;
  const auto fence = record->fence.number();
  // Those who hold together learn of it in any order.
  if (fence <= name.written && weight_of(*record) == name.capacity &&
      record->fence.counter > name.excused && stage_.plan.clock_is_sane()) {
    fail("fence", record->key + ": " + who(process) + " holds under " + show(*record) +
                      ", but the resource has seen " + to_string(name.written));
  }
  name.written = std::max(name.written, fence);
  name.held.push_back({process, &clock, record, record->end()});
  check(record->key, name, name.held.back());
  exclude(record->key, name, name.held.back());
}

void Referee::ended(core::LeaseId lease, ProcessId process, const std::string& key) {
  std::erase_if(names_[key].held, [&](const Held& held) {
    return held.process == process && held.record->id == lease;
  });
}

void Referee::disturbed(ProcessId process) {
  for (auto& [key, name] : names_) {
    for (auto& [token, waiter] : name.waiting) {
      waiter.disturbed = waiter.disturbed || waiter.process == process;
    }
  }
}

void Referee::died(ProcessId process) {
  disturbed(process);
  for (auto& [key, name] : names_) {
    std::erase_if(name.held, [&](const Held& held) { return held.process == process; });
  }
}

void Referee::check(ProcessId process) {
  for (auto& [key, name] : names_) {
    for (auto& held : name.held) {
      if (held.process == process && held.record->end() != held.believed) {
        check(key, name, held);
        exclude(key, name, held);
      }
    }
  }
}

// A valid lease stands in the server's record, and for as long as it is valid.
void Referee::check(const std::string& key, Name& name, Held& held) {
  const auto end = held.record->end();
  const bool longer = end > held.believed;
  held.believed = end;
  if (!stage_.plan.clock_is_sane() || left_of(held) == Duration::zero()) {
    return;
  }
  const auto& lease = *held.record;
  auto record = look_(key, lease.token);
  if (lease.kind == core::Kind::permits && record.counter == 0) {
    record.counter = lease.fence.counter;
  }
  if (lease.fence.counter <= name.excused) {
    if (longer && record.token == lease.token && record.counter != lease.fence.counter) {
      fail("fence", key + ": " + who(held.process) + " goes on under " + show(lease) +
                        ", but the record says " + to_string(record.counter));
    }
    return;
  }
  if (record.token != lease.token || record.counter != lease.fence.counter) {
    fail("record", key + ": " + who(held.process) + " believes in " + lease.token + " " +
                       show(lease) + " for another " + to_string(left_of(held).count()) +
                       " ns, the record says '" + record.token + "' " + to_string(record.counter));
  }
  if (record.until && *record.until < held.clock->when(end)) {
    fail("record", key + ": " + who(held.process) + " believes in " + lease.token + " until " +
                       to_string(held.clock->when(end).count()) + " ns, the record ends at " +
                       to_string(record.until->count()));
  }
}

// The weights of those whose leases are valid by their own clocks.
void Referee::exclude(const std::string& key, const Name& name, const Held& held) {
  if (!stage_.plan.clock_is_sane() || left_of(held) == Duration::zero()) {
    return;
  }
  const bool excused = held.record->fence.counter <= name.excused;
  if (name.foreign_until && *name.foreign_until > stage_.now() && !excused) {
    fail("exclusion", key + ": " + who(held.process) + " and a foreign client hold it");
  }
  auto weight = weight_of(*held.record);
  auto all = weight;
  std::string others;
  for (const auto& other : name.held) {
    if (other.record == held.record || left_of(other) == Duration::zero()) {
      continue;
    }
    all += weight_of(*other.record);
    if (!excused && other.record->fence.counter > name.excused) {
      weight += weight_of(*other.record);
      others += " and " + who(other.process) + " (" + show(*other.record) + ")";
    }
  }
  if (weight > name.capacity) {
    fail("exclusion",
         key + ": " + who(held.process) + " (" + show(*held.record) + ")" + others + " hold it");
  }
  stage_.tally.overlaps_excused += all > name.capacity ? 1 : 0;
  stage_.tally.together += name.capacity > 1 && all > weight_of(*held.record) ? 1 : 0;
}

void Referee::renewing(ProcessId process, const std::string& token) {
  for (const auto& [key, name] : names_) {
    for (const auto& held : name.held) {
      if (held.process == process && held.record->token == token &&
          held.record->loss.load() == core::Loss::none) {
        return;
      }
    }
  }
  fail("renewal", who(process) + " renews " + token + ", which nobody there holds");
}

bool Referee::acting(ProcessId process) const {
  for (const auto& [key, name] : names_) {
    for (const auto& held : name.held) {
      if (held.process == process && left_of(held) > Duration::zero()) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace dlock::sim
