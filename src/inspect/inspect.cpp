// Looking at locks from outside: who holds, who waits, and taking one away by its fence.
#include "dlock/inspect.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <thread>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "dlock/error.hpp"
#include "inspect/glob.hpp"
#include "inspect/lock_reader.hpp"
#include "inspect/look_at_lock.hpp"
#include "script/scripts.hpp"
#include "session/session.hpp"

namespace dlock {
namespace {

using detail::LockReader;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

using Locks = std::map<std::string, LockInfo>;

// A holder that lives has recorded its fence by then.
constexpr milliseconds recording_time{1200};

// The locks that clients of dlock hold: keys under their own names; strings, or sorted sets for
// permits.
void collect_held(LockReader& reader, const std::string& prefix, std::string_view pattern,
                  Locks& locks) {
  const auto key_pattern = detail::escape_glob(prefix).append(pattern);
  for (const auto* type : {"string", "zset"}) {
    reader.scan(key_pattern, type, [&](std::vector<std::string>& keys) {
      std::erase_if(keys, [](const auto& key) { return key.starts_with(core::token_prefix); });
      locks.merge(reader.look(keys, LockReader::Wanted::ours));
    });
  }
}

// The locks with waiters, whoever holds them: found by their queues.
void collect_waited_for(LockReader& reader, const std::string& prefix, std::string_view pattern,
                        Locks& locks) {
  reader.scan("dlock1:q*", "zset", [&](const std::vector<std::string>& queues) {
    std::vector<std::string> keys;
    for (const auto& queue : queues) {
      const auto key = core::key_of_queue(queue);
      if (key && key->starts_with(prefix) &&
          detail::matches_glob(pattern, std::string_view{*key}.substr(prefix.size()))) {
        keys.push_back(*key);
      }
    }
    locks.merge(reader.look(keys, LockReader::Wanted::used));
  });
}

// The outcome for the holder with `fence`, by the lock key; nullopt: it still holds the lock there.
std::optional<BreakOutcome> outcome_so_far(LockReader& reader, const std::string& key,
                                           core::Fence fence) {
  const auto reply = reader.call({"GET", key});
  const auto value = core::parse_value(reply.text);
  if (!value || !value->fence || value->fence->counter != fence.counter) {
    return BreakOutcome::broken;
  }
  // Its process was asked, and has recorded that it passed the lock on inside itself.
  if (value->fence->sequence > fence.sequence) return BreakOutcome::not_holder;
  return std::nullopt;
}

// Returns what `look` returns, as soon as that is something; nullopt when the time is over.
template <class Look>
auto wait_for_outcome(milliseconds timeout, Look look) -> decltype(look()) {
  const auto deadline = detail::deadline_in(timeout);
  for (milliseconds pause{1}; !deadline || steady_clock::now() < *deadline;) {
    if (const auto outcome = look()) return outcome;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, milliseconds{50});
  }
  return std::nullopt;
}

// A client that took a free lock a moment ago has not recorded its fence yet. This asks it to.
void ask_to_record(LockReader& reader, const std::string& token) {
  try {
    reader.call({"SPUBLISH", core::channel_of(core::client_of(token)), "record " + token});
  } catch (const Refused&) {
    return;  // it does so by itself within a second
  }
}

// The value of a lock, and whether its holder has not recorded its fence there.
struct Record {
  std::string value;
  bool is_missing = false;
};

// Waits for a record that is missing, until anything changes, for `timeout` at most.
Record await_record(LockReader& reader, const std::string& key, milliseconds timeout) {
  const auto read = [&] { return reader.call({"GET", key}).text; };
  const auto first = read();
  const auto parsed = core::parse_value(first);
  if (!parsed || parsed->fence) return {first};
  ask_to_record(reader, parsed->token);
  const auto later = wait_for_outcome(timeout, [&]() -> std::optional<std::string> {
    auto now = read();
    return now == first ? std::nullopt : std::optional{std::move(now)};
  });
  return later ? Record{*later} : Record{first, true};
}

// The lock `key`, with the fence of its holder unless that is gone or does not answer.
Locks look_for_fence(LockReader& reader, std::span<const std::string> key) {
  auto locks = reader.look(key, LockReader::Wanted::all);
  const auto& lock = locks[key[0]];
  if (lock.held && lock.kind == LockKind::mutex && !lock.foreign && lock.fence == 0) {
    static_cast<void>(await_record(reader, key[0], recording_time));
    locks = reader.look(key, LockReader::Wanted::all);
  }
  return locks;
}

// The number of servers with a lock for which `is_it` is true.
template <class Condition>
std::size_t votes(const std::vector<Locks>& views, const std::string& key, Condition is_it) {
  return static_cast<std::size_t>(std::ranges::count_if(views, [&](const Locks& view) {
    const auto found = view.find(key);
    return found != view.end() && is_it(found->second);
  }));
}

// Holders of permits that a majority has with the same fence. The others do not hold: they wait for
// more parts.
void keep_agreed_holders(const std::vector<Locks>& views, std::size_t majority,
                         const std::string& key, LockInfo& lock) {
  std::map<std::int64_t, HolderInfo> holders;
  for (const auto& view : views) {
    const auto found = view.find(key);
    if (found == view.end()) continue;
    for (const auto& holder : found->second.holders) holders.emplace(holder.fence, holder);
  }
  lock.holders.clear();
  lock.used = 0;
  for (const auto& [fence, holder] : holders) {
    const auto has_it = [&holder](const LockInfo& other) {
      return std::ranges::count(other.holders, holder.fence, &HolderInfo::fence) > 0;
    };
    if (votes(views, key, has_it) < majority) continue;
    lock.used += holder.weight;
    lock.holders.push_back(holder);
  }
  detail::show_first(lock);
  if (!lock.held) lock.permits = 0;
}

// The state that a majority of a quorum's servers has with the same fence.
Locks agreed(const std::vector<Locks>& views, std::size_t majority) {
  Locks locks;
  for (const auto& view : views) {
    for (const auto& [key, lock] : view) {
      const auto is_shared = [](const LockInfo& other) {
        return other.kind == LockKind::shared_mutex;
      };
      if (votes(views, key, is_shared) >= majority) {
        if (!is_shared(lock) || locks.contains(key)) continue;
        auto& kept = locks.emplace(key, lock).first->second;
        keep_agreed_holders(views, majority, key, kept);
        if (!kept.held && kept.waiters.empty()) kept.kind = LockKind::none;
      } else if (votes(views, key, [&lock](const LockInfo& other) {
                   return other.fence == lock.fence;
                 }) >= majority) {
        locks.emplace(key, lock);
      }
    }
  }
  return locks;
}

// Visits the servers of a quorum. Throws when fewer than a majority answer.
template <class Visit>
void visit_quorum(detail::Session& state, Visit visit, const std::stop_token& stop = {}) {
  const auto& servers = state.config().endpoint.addresses;
  std::size_t answers = 0;
  std::string problem;
  for (const auto& server : servers) {
    try {
      LockReader reader{state.config(), state.config().endpoint.at(server), stop};
      visit(reader);
      ++answers;
    } catch (const Unreachable& error) {
      problem = error.what();
    }
  }
  if (answers <= servers.size() / 2) throw_error(errc::unreachable, problem);
}

// The result of `look`, with the parties' names.
template <class Look>
Locks look_at(detail::Session& state, Look look, const std::stop_token& stop = {}) {
  std::vector<Locks> views;
  const auto take = [&](LockReader& reader) {
    auto locks = look(reader);
    reader.name_parties(locks);
    views.push_back(std::move(locks));
  };
  if (state.is_quorum()) {
    visit_quorum(state, take, stop);
    return agreed(views, state.config().endpoint.addresses.size() / 2 + 1);
  }
  LockReader reader{state.config(), stop};
  take(reader);
  return std::move(views.front());
}

// The KEYS of the scripts that break.
std::array<std::string, 4> break_keys(LockReader& reader, const core::LockKeys& names) {
  return {names.lock, names.queue, names.seen, reader.config().fence_key_for(names.lock)};
}

// Breaks a mutex.
BreakOutcome break_mutex(LockReader& reader, const core::LockKeys& names, core::Fence fence,
                         milliseconds timeout) {
  const auto keys = break_keys(reader, names);
  const auto counter = std::to_string(fence.counter);
  const auto sequence = std::to_string(fence.sequence);
  const auto run = [&](std::string_view how) {
    const std::array<std::string_view, 3> arguments{counter, sequence, how};
    return reader.run(script::break_, keys, arguments).text;
  };
  auto asked = run("ask");
  if (asked == "not_holder" && !await_record(reader, names.lock, recording_time).is_missing) {
    asked = run("ask");
  }
  if (asked == "not_holder") return BreakOutcome::not_holder;
  if (asked != "asked 0") {
    const auto outcome =
        wait_for_outcome(timeout, [&] { return outcome_so_far(reader, names.lock, fence); });
    if (outcome) return *outcome;
  }
  if (run("force") == "broken") return BreakOutcome::broken;
  // The holder may have released it since the last look.
  return outcome_so_far(reader, names.lock, fence).value_or(BreakOutcome::not_holder);
}

// Breaks a mutex whose holder has not recorded its fence, and does not do so when it is asked.
BreakOutcome break_unrecorded(LockReader& reader, const core::LockKeys& names,
                              milliseconds timeout) {
  const auto record = await_record(reader, names.lock, timeout);
  if (!record.is_missing) return BreakOutcome::not_holder;
  const std::array<std::string_view, 3> arguments{"", record.value, "force"};
  const auto outcome = reader.run(script::break_, break_keys(reader, names), arguments).text;
  return outcome == "broken" ? BreakOutcome::broken : BreakOutcome::not_holder;
}

// Permits are not passed on inside a process, so the record is the truth.
BreakOutcome break_permits(LockReader& reader, const core::LockKeys& names, core::Fence fence,
                           milliseconds timeout) {
  const auto keys = break_keys(reader, names);
  const auto counter = std::to_string(fence.counter);
  const auto run = [&](std::string_view how) {
    const std::array<std::string_view, 2> arguments{counter, how};
    return reader.run(script::permits_break, keys, arguments).text;
  };
  const auto asked = fence.sequence == 0 ? run("ask") : "not_holder";
  if (asked == "not_holder") return BreakOutcome::not_holder;
  if (asked != "asked 0") {
    const auto outcome = wait_for_outcome(timeout, [&]() -> std::optional<BreakOutcome> {
      if (run("look") == "holds") return std::nullopt;
      return BreakOutcome::broken;
    });
    if (outcome) return *outcome;
  }
  static_cast<void>(run("force"));
  return BreakOutcome::broken;
}

BreakOutcome break_on(LockReader& reader, const core::LockKeys& names, core::Fence fence,
                      milliseconds timeout) {
  try {
    if (fence.number() == 0) return break_unrecorded(reader, names, timeout);
    return break_mutex(reader, names, fence, timeout);
  } catch (const StoreUnusable& error) {
    if (error.reason() != errc::not_a_lock) throw;
  }
  return break_permits(reader, names, fence, timeout);
}

// The hold is over when a majority of the servers has released it; the others forget it in time.
BreakOutcome break_on_majority(detail::Session& state, const core::LockKeys& names,
                               core::Fence fence, milliseconds timeout) {
  auto outcome = BreakOutcome::not_holder;
  visit_quorum(state, [&](LockReader& reader) {
    const auto here = break_on(reader, names, fence, timeout);
    outcome = here == BreakOutcome::broken ? here : outcome;
  });
  return outcome;
}

}  // namespace

std::vector<LockInfo> list_locks(Client& client, std::string_view pattern) {
  auto& state = *client.state();
  const auto& prefix = state.options().prefix;
  auto locks = look_at(state, [&](LockReader& reader) {
    Locks here;
    collect_held(reader, prefix, pattern, here);
    collect_waited_for(reader, prefix, pattern, here);
    return here;
  });
  std::erase_if(locks, [](const auto& entry) { return entry.second.kind == LockKind::none; });
  std::vector<LockInfo> list;
  list.reserve(locks.size());
  for (auto& [key, lock] : locks) {
    lock.name = key.substr(prefix.size());
    list.push_back(std::move(lock));
  }
  return list;
}

LockInfo detail::look_at_lock(Session& state, std::string_view name, std::stop_token stop) {
  const std::array key{state.config().key_of(name)};
  auto locks = look_at(
      state, [&](LockReader& reader) { return reader.look(key, LockReader::Wanted::all); }, stop);
  auto lock = std::move(locks[key[0]]);
  lock.name = name;
  return lock;
}

LockInfo detail::inspect_lock(Session& state, std::string_view name) {
  const std::array key{state.config().key_of(name)};
  auto locks = look_at(state, [&](LockReader& reader) { return look_for_fence(reader, key); });
  auto lock = std::move(locks[key[0]]);
  lock.name = name;
  return lock;
}

LockInfo inspect_lock(Client& client, std::string_view name) {
  return detail::inspect_lock(*client.state(), name);
}

BreakOutcome break_lock(Client& client, std::string_view name, std::int64_t fence, Span timeout) {
  auto& state = *client.state();
  const auto names = core::lock_keys(state.config().key_of(name));
  const auto parts = core::Fence::of(fence);
  if (!state.is_quorum()) {
    LockReader reader{state.config()};
    return break_on(reader, names, parts, timeout);
  }
  return break_on_majority(state, names, parts, timeout);
}

}  // namespace dlock
