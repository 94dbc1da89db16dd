// Referee: the promises, checked.
#include "simulation/referee.hpp"

#include <algorithm>
#include <utility>

namespace dlock::sim {
namespace {

using std::to_string;

constexpr Duration max_passing = std::chrono::milliseconds{100};

std::string name_of(ProcessId process) { return "p" + to_string(process); }

std::string show(const core::LeaseRecord& record) {
  return to_string(record.fence.counter) + "+" + to_string(record.fence.sequence);
}

std::int64_t weight_of(const core::LeaseRecord& record) {
  return core::weight_of(record.token).value_or(1);
}

}  // namespace

// --- at the servers -----------------------------------------------------------------------------

void Referee::ran(const std::string& key) {
  auto& name = names_[key];
  ++runs_;
  // A look at a long queue is slow, and the next look would see the same.
  const bool looks =
      runs_ % 16 == 0 || std::all_of(witnesses_.begin(), witnesses_.end(), [&](auto* witness) {
        return witness->ledger().waiting(key) < 20;
      });
  for (auto& held : name.held) {
    if (looks) {
      check(key, name, held);
    }
  }
}

void Referee::forgotten(const std::string& key) {
  for (auto& [name_key, name] : names_) {
    if (key.empty() || key == name_key) {
      name.excused = witnesses_.front()->ledger().counter(name_key);
    }
  }
}

void Referee::excuse(const std::string& key, std::string_view client, Time until) {
  auto& excused = names_[key].excused_until[std::string{client}];
  excused = std::max(excused, until);
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

// A holder that is told of a loss before its time is over may use the rest of it.
Duration Referee::left_of(const Held& held) const {
  const auto now = held.clock->at(stage_.now());
  return core::is_by_time(held.record->loss.load()) ? std::max(held.record->end() - now, Duration{})
                                                    : held.record->left(now);
}

bool Referee::is_excused(const Name& name, const core::LeaseRecord& record) const {
  const auto found = name.excused_until.find(core::client_of(record.token));
  return record.fence.counter <= name.excused ||
         (found != name.excused_until.end() && stage_.now() < found->second);
}

void Referee::obtained(ProcessId process, const Clock& clock,
                       const std::shared_ptr<core::LeaseRecord>& record,
                       std::int64_t newest_when_asked) {
  const std::string key{record->key.text()};
  auto& name = names_[key];
  if (witnesses_.size() == 1 &&
      !witnesses_.front()->ledger().handed_out(record->token.text(), record->fence.counter)) {
    fail("fence", key + ": " + name_of(process) + " holds under " + show(*record) +
                      ", which the server never handed out");
  }
  check_passing(process, clock.at(stage_.now()), *record);
  check_fence(process, name, *record, newest_when_asked);
  name.held.push_back({process, &clock, record, record->end()});
  check(key, name, name.held.back());
  exclude(key, name, name.held.back());
}

void Referee::check_passing(ProcessId process, core::Instant at, const core::LeaseRecord& record) {
  auto& row = rows_[record.token.text() + ' ' + to_string(record.fence.counter)];
  if (record.fence.sequence == 0) {
    row = {at, 0};
  } else if (record.fence.sequence != row.sequence + 1 ||
             record.fence.sequence >= core::Fence::max_sequences) {
    fail("fence", std::string{record.key.text()} + ": hand-off inside " + name_of(process) +
                      " got " + show(record) + " after sequence " + to_string(row.sequence));
  } else if (at - row.began > max_passing) {
    fail("passing", std::string{record.key.text()} + ": " + name_of(process) +
                        " passes the lock on for " +
                        to_string((at - row.began).count() / 1'000'000) + " ms");
  }
  row.sequence = record.fence.sequence;
}

// A fence must be greater than those of all earlier holders. Holders at the same time learn of
// theirs in any order, so each is compared with the holders that exclude it, and with those that
// had a fence when it asked.
void Referee::check_fence(ProcessId process, Name& name, const core::LeaseRecord& record,
                          std::int64_t newest_when_asked) {
  const auto fence = record.fence.number();
  const bool exclusive = weight_of(record) == name.capacity;
  const auto floor = exclusive ? name.written : std::max(name.exclusive, newest_when_asked);
  const bool is_new = exclusive || name.shared.insert(fence).second;
  if ((fence <= floor || !is_new) && !is_excused(name, record) && stage_.plan.clock_is_sane()) {
    fail("fence", std::string{record.key.text()} + ": " + name_of(process) + " holds under " +
                      show(record) + ", but there was already " +
                      to_string(is_new ? floor : fence));
  }
  name.written = std::max(name.written, fence);
  name.newest = name.written;
  name.exclusive = exclusive ? name.written : name.exclusive;
}

void Referee::ended(core::LeaseId lease, ProcessId process, const std::string& key) {
  std::erase_if(names_[key].held, [&](const Held& held) {
    return held.process == process && held.record->id == lease;
  });
}

void Referee::lost(ProcessId process, const core::LeaseRecord& record) {
  const auto why = record.loss.load();
  if (stage_.plan.profile == Profile::calm &&
      (why == core::Loss::gone || why == core::Loss::taken)) {
    fail("loss", "lease " + std::to_string(record.id) + " was taken away by nobody");
  }
  for (auto& held : names_[std::string{record.key.text()}].held) {
    held.lost = held.lost || (held.process == process && held.record->id == record.id);
  }
}

void Referee::died(ProcessId process) {
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

// The servers' records have each valid lease, for at least as long as it is valid.
void Referee::check(const std::string& key, Name& name, Held& held) {
  const auto end = held.record->end();
  const bool longer = end > held.believed;
  held.believed = end;
  if (!stage_.plan.clock_is_sane() || left_of(held) == Duration::zero()) {
    return;
  }
  if (witnesses_.size() == 1) {
    check_record(key, name, held, longer);
  } else if (!is_excused(name, *held.record)) {
    check_majority(key, held);
  }
}

void Referee::check_record(const std::string& key, const Name& name, Held& held, bool longer) {
  const auto& lease = *held.record;
  auto record = witnesses_.front()->look(key, lease.token.text());
  if (record.token == lease.token && record.counter == 0) {  // not recorded
    record.counter = lease.fence.counter;
  }
  if (lease.fence.counter <= name.excused) {
    // The server, which has forgotten it, may have made it the holder anew. It learns of that at
    // once, and asks; a renewal that was under way may be confirmed first.
    const bool strays = record.token == lease.token && record.counter != lease.fence.counter;
    if (longer && strays && std::exchange(held.strayed, true)) {
      fail("fence", key + ": " + name_of(held.process) + " goes on under " + show(lease) +
                        ", but the record says " + to_string(record.counter));
    }
    return;
  }
  if (record.token != lease.token || record.counter != lease.fence.counter) {
    fail("record", key + ": " + name_of(held.process) + " believes in " + lease.token.text() + " " +
                       show(lease) + " for another " + to_string(left_of(held).count()) +
                       " ns, the record says '" + record.token + "' " + to_string(record.counter));
  }
  const auto end = held.clock->when(lease.end());
  if (record.until && *record.until < end) {
    fail("record", key + ": " + name_of(held.process) + " believes in " + lease.token.text() +
                       " until " + to_string(end.count()) + " ns, the record ends at " +
                       to_string(record.until->count()));
  }
}

void Referee::check_majority(const std::string& key, const Held& held) {
  const auto client = core::client_of(held.record->token);
  const auto end = held.clock->when(held.record->end());
  const auto for_it = std::count_if(witnesses_.begin(), witnesses_.end(), [&](auto* witness) {
    const auto until = witness->held_until(key, client);
    return until && *until >= end;
  });
  if (static_cast<std::size_t>(for_it) < witnesses_.size() / 2 + 1) {
    fail("record", key + ": " + name_of(held.process) + " believes in " +
                       held.record->token.text() + " for another " +
                       to_string(left_of(held).count()) + " ns, and only " + to_string(for_it) +
                       " of " + to_string(witnesses_.size()) + " servers keep it for that long");
  }
}

// The weights of those whose leases are valid by their own clocks.
void Referee::exclude(const std::string& key, const Name& name, const Held& held) {
  if (!stage_.plan.clock_is_sane() || left_of(held) == Duration::zero()) {
    return;
  }
  const bool excused = is_excused(name, *held.record);
  if (name.foreign_until && *name.foreign_until > stage_.now() && !excused) {
    fail("exclusion", key + ": " + name_of(held.process) + " and a foreign client hold it");
  }
  auto weight = weight_of(*held.record);
  auto all = weight;
  std::string others;
  for (const auto& other : name.held) {
    if (other.record == held.record || left_of(other) == Duration::zero()) {
      continue;
    }
    all += weight_of(*other.record);
    if (!excused && !is_excused(name, *other.record)) {
      weight += weight_of(*other.record);
      others += " and " + name_of(other.process) + " (" + show(*other.record) + ")";
    }
  }
  if (weight > name.capacity) {
    fail("exclusion", key + ": " + name_of(held.process) + " (" + show(*held.record) + ")" +
                          others + " hold it");
  }
  stage_.tally.overlaps_excused += all > name.capacity ? 1 : 0;
  stage_.tally.together += name.capacity > 1 && all > weight_of(*held.record) ? 1 : 0;
}

void Referee::renewing(ProcessId process, const std::string& token) {
  const auto is_its = [&](const Held& held) {
    return held.process == process && held.record->token == token && !held.lost;
  };
  // With several servers, the renewals are those of parts, which nobody sees.
  const bool is_held =
      witnesses_.size() > 1 || std::any_of(names_.begin(), names_.end(), [&](const auto& entry) {
        const auto& held = entry.second.held;
        return std::any_of(held.begin(), held.end(), is_its);
      });
  if (!is_held) {
    fail("renewal", name_of(process) + " renews " + token + ", which nobody there holds");
  }
}

}  // namespace dlock::sim
