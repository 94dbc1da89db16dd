// ls, info, deadlocks and break.
#include "cli/inspect.hpp"

#include <fmt/format.h>

#include "cli/lock_text.hpp"
#include "cli/message.hpp"
#include "cli/output.hpp"
#include "cli/text.hpp"
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

Client connect(const StoreArguments& store) {
  ClientOptions options;
  options.prefix = store.prefix;
  return Client{store.url, options};
}

std::string break_json(const BreakArguments& arguments, BreakOutcome outcome,
                       const LockInfo& after) {
  JsonObject object;
  object.bytes("name", arguments.name).text("fence", fmt::to_string(arguments.fence));
  object.text("outcome", outcome == BreakOutcome::broken ? "broken" : "not_holder");
  return object.raw("lock", lock_json(after)).str() + "\n";
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
    note("nobody holds or waits for a lock there");
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
    note("nobody waits in a ring there");
    return 0;
  }
  std::string text;
  for (const auto& ring : rings) text += ring_text(ring);
  return print(text);
}

int break_holder(const BreakArguments& arguments) {
  Client client = connect(arguments.store);
  const auto outcome = break_lock(client, arguments.name, arguments.fence);
  const auto after = inspect_lock(client, arguments.name);
  if (arguments.json) {
    const int printed = print(break_json(arguments, outcome, after));
    return outcome == BreakOutcome::broken ? printed : exit_not_obtained;
  }
  if (outcome == BreakOutcome::broken) {
    return print(fmt::format("{} was taken from the holder with fence {}\n",
                             in_quotes(arguments.name), arguments.fence));
  }
  const auto now = !after.held ? std::string{"it is free"}
                   : after.foreign
                       ? "it is held " + held_by(after)
                       : fmt::format("it is held {}, fence {}", held_by(after), after.fence);
  complain("nobody holds {} by fence {} (any more): {}", in_quotes(arguments.name), arguments.fence,
           now);
  return exit_not_obtained;
}

}  // namespace dlock::cli
