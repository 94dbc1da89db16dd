// The arguments of latch and barrier.
#include <CLI/CLI.hpp>
#include <initializer_list>

#include "cli/arguments/options.hpp"
#include "cli/arguments/parsers.hpp"

namespace dlock::cli {

namespace {

// Parses the rest of `latch` and `barrier`. `number` is the option for their count or parties;
// --show excludes it and the options `others`.
void parse_waiting(CLI::App& app, Words words, WaitArguments& waiting, const std::string& number,
                   std::initializer_list<std::string> others) {
  add_store(app, waiting.store);
  app.add_option("NAME", waiting.name)->required();
  auto* show = app.add_flag("--show", waiting.show)->excludes(app.get_option(number));
  app.add_flag("--json", waiting.json)->needs(show);
  for (const auto& other : others) show->excludes(app.get_option(other));
  parse(app, words, waiting.store);
  checked_name(app.get_name(), waiting.name);
  if (!waiting.show && app.count(number) == 0) {
    throw WrongUsage(app.get_name(), number + " is required");
  }
}

}  // namespace

Arguments parse_latch(Words words) {
  LatchArguments latch;
  CLI::App app{"", "latch"};
  app.add_option("--count", latch.count);
  auto* wait = add_duration(app, "-w,--wait", latch.wait);
  auto* down = app.add_flag("--down", latch.down)->excludes(wait);
  app.add_option("--by", latch.by)->needs(down);
  add_duration(app, "--keep", latch.keep);
  parse_waiting(app, words, latch, "--count", {"--wait", "--down", "--keep"});
  return latch;
}

Arguments parse_barrier(Words words) {
  BarrierArguments barrier;
  CLI::App app{"", "barrier"};
  app.add_option("--parties", barrier.parties);
  auto* wait = add_duration(app, "-w,--wait", barrier.wait);
  app.add_flag("--reset", barrier.reset)->excludes(wait);
  parse_waiting(app, words, barrier, "--parties", {"--wait", "--reset"});
  return barrier;
}

}  // namespace dlock::cli
