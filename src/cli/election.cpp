// dlock elect --listen and --show.
#include "cli/election.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "cli/text/text.hpp"
#include "dlock/client.hpp"
#include "dlock/election.hpp"
#include "dlock/error.hpp"
#include "inspect/json.hpp"

namespace dlock::cli {

namespace {

using detail::JsonObject;

std::string_view word_for(LeaderChange::Kind kind) {
  switch (kind) {
    case LeaderChange::Kind::elected:
      return "elected";
    case LeaderChange::Kind::proclaimed:
      return "proclaimed";
    case LeaderChange::Kind::vacant:
      break;
  }
  return "vacant";
}

JsonObject& add(JsonObject& object, const Leader& leader) {
  return object.bytes("value", leader.value)
      .text("term", fmt::to_string(leader.term))
      .number("revision", leader.revision);
}

std::string line_of(const LeaderChange& change, bool json) {
  const auto word = word_for(change.kind);
  const bool vacant = change.kind == LeaderChange::Kind::vacant;
  if (json) {
    JsonObject object;
    object.text("change", word);
    if (!vacant) add(object, change.leader);
    return object.str() + "\n";
  }
  if (vacant) return fmt::format("{}\n", word);
  return fmt::format("{} {} {}\n", word, change.leader.term, printable(change.leader.value));
}

int show(const Election& election, bool json) {
  const auto leader = election.leader();
  if (!leader) {
    complain("nobody leads {}", in_quotes(election.name()));
    return exit_not_obtained;
  }
  JsonObject object;
  return print((json ? add(object, *leader).str() : printable(leader->value)) + "\n");
}

int listen(const Election& election, bool json) {
  auto observer = election.observe();
  for (bool answered = false, complained = false;;) {
    try {
      const int status = print(line_of(observer.next(), json));
      if (status != 0) return status;
      answered = true;
      complained = false;
    } catch (const Unreachable& error) {
      if (!answered) throw;
      if (!complained) complain("{}; trying again", error.what());
      complained = true;
    }
  }
}

}  // namespace

int look(const ElectionArguments& arguments) {
  Client client = connect(arguments.store);
  const Election election{client, arguments.name};
  return arguments.listen ? listen(election, arguments.json) : show(election, arguments.json);
}

}  // namespace dlock::cli
