// Parsing the command line with CLI11: each subcommand has its own parser.
#include "cli/arguments/arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/arguments/help.hpp"
#include "cli/arguments/options.hpp"
#include "cli/arguments/parsers.hpp"
#include "cli/text/suggestion.hpp"
#include "cli/text/text.hpp"
#include "dlock/version.hpp"

namespace dlock::cli {

namespace {

Arguments parse_command(const std::string& command, Words words) {
  try {
    if (command == "run") return parse_run(words);
    if (command == "elect") return parse_elect(words);
    if (command == "latch") return parse_latch(words);
    if (command == "barrier") return parse_barrier(words);
    if (command == "ls") return parse_list(words);
    if (command == "top") return parse_top(words);
    if (command == "serve") return parse_serve(words);
    if (command == "info") return parse_info(words);
    if (command == "deadlocks") return parse_deadlocks(words);
    if (command == "doctor") return parse_doctor(words);
    if (command == "break") return parse_break(words);
    if (command == "config") return parse_config(words);
  } catch (const CLI::CallForHelp&) {
    return ShowText{help_text(command)};
  }
  throw WrongUsage(
      "", fmt::format("there is no command {}: {}", in_quotes(command), suggestion_for(command)));
}

}  // namespace

Arguments parse_arguments(Words words) {
  const std::string& first = words.front();
  if (first == "--help" || first == "-h") return ShowText{help_text("")};
  if (first == "help" && words.size() == 1) return ShowText{help_text("")};
  if (first == "help") return parse_command(words[1], std::vector<std::string>{"--help"});
  if (first == "--version") return ShowText{fmt::format("dlock {}\n", DLOCK_VERSION)};
  return parse_command(first, words.subspan(1));
}

}  // namespace dlock::cli
