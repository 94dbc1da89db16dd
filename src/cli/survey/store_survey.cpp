// StoreSurvey: reads all locks of a store again and again, in small steps.
#include "cli/survey/store_survey.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/wire/gate.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "deadlock/waits_for.hpp"
#include "dlock/error.hpp"
#include "inspect/glob.hpp"
#include "session/session.hpp"

namespace dlock::cli {

namespace {

using namespace std::chrono_literals;
using detail::LockReader;

constexpr double waiters_per_command = 100;  // as many take the server as long as a command
constexpr auto linger = 5s;                  // how long a lock that nobody uses is still shown
constexpr auto party_life = 60s;             // how long to believe what a client registered
constexpr auto unknown_life = 5s;            // ... or that it has not
constexpr std::size_t max_parties = 50'000;
constexpr std::size_t max_notes = 1'000;  // in one search for rings
constexpr std::size_t max_names = 1'000;  // of clients, looked up in one step
constexpr std::size_t max_others = 200;   // elections, latches, barriers
constexpr double cost_of_name = 0.1;

}  // namespace

StoreSurvey::StoreSurvey(Client& client, std::string pattern, std::stop_token stop)
    : client_(client), pattern_(std::move(pattern)), stop_(std::move(stop)) {}

LockReader& StoreSurvey::reader() {
  if (!reader_) reader_.emplace(client_.state()->config(), stop_);
  return *reader_;
}

// Connections that failed are not used again.
template <class Work>
void StoreSurvey::at_cost(Work work) {
  const auto before = reader().commands();
  try {
    work();
  } catch (...) {
    reader_.reset();
    walk_ = {};
    throw;
  }
  cost_ += static_cast<double>(reader_->commands() - before);
}

bool StoreSurvey::step() {
  if (sweep_began_ == 0ns) sweep_began_ = runtime::boot_now();
  if (client_.state()->is_quorum()) {
    read_quorum();
  } else {
    at_cost([this] { read_page(); });
    if (!walk_.is_over) return false;
    at_cost([this] { find_rings(); });
  }
  end_sweep();
  return true;
}

void StoreSurvey::read_page() {
  const auto& prefix = reader().config().options.prefix;
  const auto notes = core::note_key("");
  std::set<std::string> queued;
  std::set<std::string> others;
  for (auto& key : reader().next_page(walk_)) {
    if (key.starts_with(notes)) {
      if (note_tokens_.size() < max_notes) note_tokens_.insert(key.substr(notes.size()));
      continue;
    }
    if (take_other(key)) continue;
    const auto lock = key.starts_with(core::token_prefix) ? core::key_of_queue(key) : key;
    if (!lock || !lock->starts_with(prefix) ||
        !detail::matches_glob(pattern_, std::string_view{*lock}.substr(prefix.size()))) {
      continue;
    }
    (*lock == key ? others : queued).insert(*lock);
  }
  const auto look_at = [this](const std::set<std::string>& keys, LockReader::Wanted wanted) {
    const std::vector<std::string> list{keys.begin(), keys.end()};
    add(reader().look(list, wanted));
  };
  look_at(others, LockReader::Wanted::ours);
  look_at(queued, LockReader::Wanted::used);
}

// Whether the key is that of a latch, a barrier or a leader's value.
bool StoreSurvey::take_other(const std::string& key) {
  const auto& prefix = client_.state()->config().options.prefix;
  const auto take = [&](std::string_view name, std::set<std::string>& names) {
    if (!name.starts_with(prefix)) return;
    name.remove_prefix(prefix.size());
    if (names.size() < max_others && detail::matches_glob(pattern_, name)) names.emplace(name);
  };
  for (const auto& [start, names] :
       {std::pair{core::gate_key(core::Kind::latch, ""), &found_others_.latches},
        std::pair{core::gate_key(core::Kind::barrier, ""), &found_others_.barriers}}) {
    if (!key.starts_with(start)) continue;
    take(std::string_view{key}.substr(start.size()), *names);
    return true;
  }
  // The key of a queue with `l` for `q`.
  constexpr std::string_view leaders = "dlock1:l";
  if (!key.starts_with(leaders)) return false;
  const auto lock = core::key_of_queue("dlock1:q" + key.substr(leaders.size()));
  if (lock) take(*lock, found_others_.elections);
  return lock.has_value();
}

// On a majority, a lock is what several servers agree on: there are no small steps.
void StoreSurvey::read_quorum() {
  Locks locks;
  const auto& prefix = client_.state()->config().options.prefix;
  for (auto& lock : list_locks(client_, pattern_)) {
    auto key = prefix + lock.name;
    locks.emplace(std::move(key), std::move(lock));
  }
  cost_ += 1 + static_cast<double>(locks.size());
  for (auto& [key, lock] : locks) put(key, std::move(lock));
}

void StoreSurvey::find_rings() {
  rings_.clear();
  const std::vector<std::string> tokens{note_tokens_.begin(), note_tokens_.end()};
  note_tokens_.clear();
  detail::WaitsFor waits_for{reader()};
  auto notes = waits_for.read_all(tokens);
  const auto& prefix = reader().config().options.prefix;
  waits_.clear();
  for (const auto& [token, note] : notes) {
    if (note.key.starts_with(prefix)) waits_.push_back({token, note.key.substr(prefix.size())});
  }
  for (const auto& ring : waits_for.rings_among(std::move(notes))) {
    rings_.push_back(detail::links_of(reader(), ring, prefix));
  }
}

void StoreSurvey::end_sweep() {
  const auto now = runtime::boot_now();
  walk_ = {};
  ++sweeps_;
  others_ = std::exchange(found_others_, {});
  sweep_took_ = std::chrono::duration_cast<std::chrono::milliseconds>(
      now - std::exchange(sweep_began_, runtime::BootTime{}));
  std::erase_if(entries_, [&](auto& item) {
    auto& [key, entry] = item;
    if (entry.sweep + 1 >= sweeps_) return false;
    if (now - entry.last_used > linger) return true;
    if (!entry.lock->info.held && entry.lock->info.waiters.empty()) return false;
    LockInfo free;
    free.kind = entry.lock->info.kind;
    put(key, std::move(free));
    return false;
  });
}

bool StoreSurvey::look(std::span<const std::string> names) {
  ++looks_;
  if (names.empty() || client_.state()->is_quorum()) return false;
  at_cost([&] {
    std::vector<std::string> keys;
    for (const auto& name : names) keys.push_back(reader().config().key_of(name));
    auto locks = reader().look(keys, LockReader::Wanted::used);
    for (const auto& key : keys) {
      const auto known = entries_.find(key);
      if (known != entries_.end() && !locks.contains(key)) {  // nobody uses it
        locks[key].kind = known->second.lock->info.kind;
      }
    }
    add(std::move(locks));
  });
  return true;
}

void StoreSurvey::add(Locks locks) {
  name_parties(locks);
  for (auto& [key, lock] : locks) {
    cost_ += static_cast<double>(lock.waiters.size()) / waiters_per_command;
    put(key, std::move(lock));
  }
}

void StoreSurvey::put(const std::string& key, LockInfo lock) {
  auto& entry = entries_[key];
  const auto now = runtime::boot_now();
  lock.name = key.substr(client_.state()->config().options.prefix.size());
  if (lock.held || !lock.waiters.empty()) {
    entry.last_used = now;
    entry.sweep = sweeps_ + 1;
  }
  entry.rate.observe(lock, now);
  entry.lock =
      std::make_shared<const SeenLock>(SeenLock{std::move(lock), now, entry.rate.per_second()});
}

void StoreSurvey::name_parties(Locks& locks) {
  if (parties_.size() > max_parties) parties_.clear();
  auto max_reads = max_names;
  for (auto& [key, lock] : locks) {
    name(lock.holder, max_reads);
    for (auto& holder : lock.holders) name(holder.party, max_reads);
    for (auto& waiter : lock.waiters) name(waiter.party, max_reads);
  }
}

// Fills in what the client registered; a client that is not known yet becomes an unknown one.
void StoreSurvey::name(Party& party, std::size_t& max_reads) {
  if (party.client.empty()) return;
  const auto now = runtime::boot_now();
  const auto known = parties_.find(party.client);
  const auto is_fresh = [now](const KnownParty& one) {
    return now - one.read_at < (one.party.host.empty() ? unknown_life : party_life);
  };
  if (known != parties_.end() && (max_reads == 0 || is_fresh(known->second))) {
    party = known->second.party;
  } else if (max_reads > 0) {
    --max_reads;
    cost_ -= 1 - cost_of_name;
    const std::array wanted{&party};
    reader().name_parties(wanted);
    parties_.insert_or_assign(party.client, KnownParty{party, now});
  } else {
    party = {};
  }
}

std::shared_ptr<Snapshot> StoreSurvey::snapshot() const {
  auto all = std::make_shared<Snapshot>();
  all->locks.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) all->locks.push_back(entry.lock);
  all->rings = rings_;
  all->waits = waits_;
  all->elections = {others_.elections.begin(), others_.elections.end()};
  all->latches = {others_.latches.begin(), others_.latches.end()};
  all->barriers = {others_.barriers.begin(), others_.barriers.end()};
  all->taken_at = runtime::boot_now();
  all->sweeps = sweeps_;
  all->looks = looks_;
  all->sweep_took = sweep_took_;
  return all;
}

}  // namespace dlock::cli
