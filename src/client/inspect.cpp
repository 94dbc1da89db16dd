// Looking at locks from outside: who holds, who waits, and taking one away by its fence.
#include "dlock/inspect.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <thread>

#include "client/glob.hpp"
#include "client/inspector.hpp"
#include "client/waits_for.hpp"
#include "core/keys.hpp"
#include "core/token.hpp"
#include "dlock/deadlock.hpp"
#include "dlock/error.hpp"
#include "script/scripts.hpp"

namespace dlock {
namespace {

using detail::Inspector;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

using Locks = std::map<std::string, LockInfo>;

// The locks held by clients of ours: keys under their own names, strings or, of permits, sorted
// sets.
void collect_held(Inspector& inspector, const std::string& prefix, std::string_view pattern,
                  Locks& locks) {
  const auto key_pattern = detail::escape_glob(prefix).append(pattern);
  for (const auto* type : {"string", "zset"}) {
    inspector.scan(key_pattern, type, [&](std::vector<std::string>& keys) {
      std::erase_if(keys, [](const auto& key) { return key.starts_with(core::token_prefix); });
      locks.merge(inspector.look(keys, Inspector::Wanted::ours));
    });
  }
}

// The locks that are waited for, whoever holds them: by their queues.
void collect_waited_for(Inspector& inspector, const std::string& prefix, std::string_view pattern,
                        Locks& locks) {
  inspector.scan("dlock1:q*", "zset", [&](const std::vector<std::string>& queues) {
    std::vector<std::string> keys;
    for (const auto& queue : queues) {
      const auto key = core::key_of_queue(queue);
      if (key && key->starts_with(prefix) &&
          detail::matches_glob(pattern, std::string_view{*key}.substr(prefix.size()))) {
        keys.push_back(*key);
      }
    }
    locks.merge(inspector.look(keys, Inspector::Wanted::used));
  });
}

// What a look at the key says of the holder by `fence`; none: it still has the lock, by this
// record.
std::optional<BreakOutcome> outcome_so_far(Inspector& inspector, const std::string& key,
                                           core::Fence fence) {
  const auto reply = inspector.call({"GET", key});
  const auto value = core::parse_value(reply.text);
  if (!value || value->fence.counter != fence.counter) return BreakOutcome::broken;
  // Its process has recorded, as we asked, that it passed the lock on inside itself.
  if (value->fence.sequence > fence.sequence) return BreakOutcome::not_holder;
  return std::nullopt;
}

template <class Look>
std::optional<BreakOutcome> wait_for_outcome(milliseconds patience, Look look) {
  const auto deadline = steady_clock::now() + patience;
  for (milliseconds pause{1}; steady_clock::now() < deadline;) {
    if (const auto outcome = look()) return outcome;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, milliseconds{50});
  }
  return std::nullopt;
}

// Of a mutex.
BreakOutcome break_mutex(Inspector& inspector, const core::LockKeys& names, core::Fence fence,
                         milliseconds patience) {
  const std::array keys{names.lock, names.queue, names.seen, inspector.fence_key_for(names.lock)};
  const auto counter = std::to_string(fence.counter);
  const auto sequence = std::to_string(fence.sequence);
  const auto run = [&](std::string_view how) {
    const std::array<std::string_view, 3> arguments{counter, sequence, how};
    return inspector.run(script::break_, script::break__sha, keys, arguments).text;
  };
  const auto asked = run("ask");
  if (asked == "not_holder") return BreakOutcome::not_holder;
  if (asked != "asked 0") {
    const auto outcome =
        wait_for_outcome(patience, [&] { return outcome_so_far(inspector, names.lock, fence); });
    if (outcome) return *outcome;
  }
  if (run("force") == "broken") return BreakOutcome::broken;
  // It may have let go by itself since we last looked.
  return outcome_so_far(inspector, names.lock, fence).value_or(BreakOutcome::not_holder);
}

// Permits are not passed on inside a process, so the record is the truth.
BreakOutcome break_permits(Inspector& inspector, const core::LockKeys& names, core::Fence fence,
                           milliseconds patience) {
  const std::array keys{names.lock, names.queue, names.seen, inspector.fence_key_for(names.lock)};
  const auto counter = std::to_string(fence.counter);
  const auto run = [&](std::string_view how) {
    const std::array<std::string_view, 2> arguments{counter, how};
    return inspector.run(script::permits_break, script::permits_break_sha, keys, arguments).text;
  };
  const auto asked = fence.sequence == 0 ? run("ask") : "not_holder";
  if (asked == "not_holder") return BreakOutcome::not_holder;
  if (asked != "asked 0") {
    const auto outcome = wait_for_outcome(patience, [&]() -> std::optional<BreakOutcome> {
      if (run("look") == "holds") return std::nullopt;
      return BreakOutcome::broken;
    });
    if (outcome) return *outcome;
  }
  static_cast<void>(run("force"));
  return BreakOutcome::broken;
}

}  // namespace

std::vector<LockInfo> list_locks(Client& client, std::string_view pattern) {
  auto& state = *client.state();
  const auto& prefix = state.options().prefix;
  Inspector inspector{state};
  Locks locks;
  collect_held(inspector, prefix, pattern, locks);
  collect_waited_for(inspector, prefix, pattern, locks);
  inspector.name_parties(locks);
  std::vector<LockInfo> list;
  list.reserve(locks.size());
  for (auto& [key, lock] : locks) {
    lock.name = key.substr(prefix.size());
    list.push_back(std::move(lock));
  }
  return list;
}

LockInfo inspect_lock(Client& client, std::string_view name) {
  auto& state = *client.state();
  const std::array key{state.options().prefix + std::string{name}};
  Inspector inspector{state};
  auto locks = inspector.look(key, Inspector::Wanted::all);
  inspector.name_parties(locks);
  auto lock = std::move(locks[key[0]]);
  lock.name = name;
  return lock;
}

std::vector<std::vector<DeadlockLink>> list_deadlocks(Client& client) {
  auto& state = *client.state();
  Inspector inspector{state};
  std::vector<std::vector<DeadlockLink>> rings;
  for (const auto& ring : detail::WaitsFor{inspector}.rings()) {
    rings.push_back(detail::links_of(inspector, ring, state.options().prefix));
  }
  return rings;
}

BreakOutcome break_lock(Client& client, std::string_view name, std::int64_t fence,
                        milliseconds patience) {
  auto& state = *client.state();
  const auto names = core::lock_keys(state.options().prefix + std::string{name});
  const auto parts = core::Fence::of(fence);
  Inspector inspector{state};
  try {
    return break_mutex(inspector, names, parts, patience);
  } catch (const StoreUnusable& error) {
    if (error.reason() != errc::not_a_lock) throw;
  }
  return break_permits(inspector, names, parts, patience);
}

}  // namespace dlock
