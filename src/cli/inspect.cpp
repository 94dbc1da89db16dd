// ls, info, deadlocks and break.
#include "cli/inspect.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "cli/text/lock_text.hpp"
#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "cli/text/text.hpp"
#include "dlock/client.hpp"
#include "dlock/deadlock.hpp"
#include "dlock/inspect.hpp"
#include "inspect/json.hpp"
#include "inspect/lock_json.hpp"

namespace dlock::cli {

namespace {

using detail::json_array;
using detail::JsonObject;
using detail::lock_json;
using detail::ring_json;

std::string break_json(const BreakArguments& arguments, std::optional<std::int64_t> fence,
                       BreakOutcome outcome, const LockInfo& after) {
  JsonObject object;
  object.bytes("name", arguments.name);
  fence ? object.text("fence", fmt::to_string(*fence)) : object.raw("fence", "null");
  object.text("outcome", outcome == BreakOutcome::broken ? "broken" : "not_holder");
  return object.raw("lock", lock_json(after)).str() + "\n";
}

// Returns the fence, or 0 if it is not recorded, if one client of dlock alone holds the lock.
std::optional<std::int64_t> only_fence(const LockInfo& lock) {
  const bool is_one = lock.holders.size() == 1 && !lock.foreign;
  return is_one ? std::optional{lock.holders[0].fence} : std::nullopt;
}

// Says why there was no such holder to take the lock from.
std::string why_not_broken(const LockInfo& lock, std::optional<std::int64_t> fence) {
  const auto name = in_quotes(lock.name);
  if (!lock.held) {
    return fence ? fmt::format("no holder of {} has fence {} (any more): it is free", name, *fence)
                 : fmt::format("nobody holds {}", name);
  }
  if (lock.foreign) {
    return fmt::format("{} is held {}, without a fence: delete its key to free it", name,
                       held_by(lock));
  }
  if (fence) {
    return fmt::format("no holder of {} has fence {} (any more): it is held {}, fence {}", name,
                       *fence, held_by(lock), lock.fence);
  }
  return fmt::format("{} has {} holders: take one by --fence, which 'dlock info' shows", name,
                     lock.holders.size());
}

}  // namespace

int list(const ListArguments& arguments) {
  Client client = connect(arguments.store);
  const auto locks = list_locks(client, arguments.pattern);
  if (arguments.json) {
    std::vector<std::string> objects;
    for (const auto& lock : locks) objects.push_back(lock_json(lock));
    return print(json_array(objects) + "\n");
  }
  if (locks.empty()) {
    note("nobody holds a lock, and nobody waits for one");
    return 0;
  }
  return print(lock_table(locks, may_colour(STDOUT_FILENO)));
}

int info(const InfoArguments& arguments) {
  Client client = connect(arguments.store);
  const auto lock = inspect_lock(client, arguments.name);
  return print(arguments.json ? lock_json(lock) + "\n" : lock_details(lock));
}

int deadlocks(const DeadlocksArguments& arguments) {
  Client client = connect(arguments.store);
  const auto rings = list_deadlocks(client);
  if (arguments.json) {
    std::vector<std::string> arrays;
    for (const auto& ring : rings) arrays.push_back(ring_json(ring));
    return print(json_array(arrays) + "\n");
  }
  if (rings.empty()) {
    note("no holders wait for each other");
    return 0;
  }
  std::string text;
  for (const auto& ring : rings) text += ring_text(ring);
  return print(text);
}

int break_holder(const BreakArguments& arguments) {
  Client client = connect(arguments.store);
  const auto before = inspect_lock(client, arguments.name);
  const auto fence = arguments.fence ? arguments.fence : only_fence(before);
  const auto outcome =
      fence ? break_lock(client, arguments.name, *fence) : BreakOutcome::not_holder;
  const bool is_broken = outcome == BreakOutcome::broken;
  const auto after = fence ? inspect_lock(client, arguments.name) : before;
  if (arguments.json) {
    const int printed = print(break_json(arguments, fence, outcome, after));
    return is_broken ? printed : exit_not_obtained;
  }
  if (!is_broken) {
    complain("{}", why_not_broken(after, fence));
    return exit_not_obtained;
  }
  const auto who = std::ranges::find(before.holders, *fence, &HolderInfo::fence);
  return print(
      fmt::format("{} was taken from {}, {}\n", in_quotes(arguments.name),
                  who == before.holders.end() ? "its holder" : describe(who->party),
                  *fence != 0 ? fmt::format("fence {}", *fence) : "which had recorded no fence"));
}

}  // namespace dlock::cli
