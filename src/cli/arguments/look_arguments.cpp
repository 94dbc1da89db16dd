// The arguments of those that look at the store once, or take a lock away.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "cli/arguments/options.hpp"
#include "cli/arguments/parsers.hpp"

namespace dlock::cli {

Arguments parse_list(Words words) {
  ListArguments list;
  CLI::App app{"", "ls"};
  add_store(app, list.store);
  app.add_flag("--json", list.json);
  app.add_option("PATTERN", list.pattern);
  if (std::ranges::find(words, "--watch") != words.end()) {
    throw WrongUsage("ls", "there is no --watch: 'dlock top' is a live view");
  }
  parse(app, words, list.store);
  return list;
}

Arguments parse_info(Words words) {
  InfoArguments info;
  CLI::App app{"", "info"};
  add_store(app, info.store);
  app.add_flag("--json", info.json);
  app.add_option("NAME", info.name)->required();
  parse(app, words, info.store);
  info.name = checked_name("info", info.name);
  return info;
}

Arguments parse_deadlocks(Words words) {
  DeadlocksArguments deadlocks;
  CLI::App app{"", "deadlocks"};
  add_store(app, deadlocks.store);
  app.add_flag("--json", deadlocks.json);
  parse(app, words, deadlocks.store);
  return deadlocks;
}

Arguments parse_doctor(Words words) {
  DoctorArguments doctor;
  CLI::App app{"", "doctor"};
  add_store(app, doctor.store);
  add_duration(app, "--clock", doctor.clock);
  app.add_option("--keys", doctor.keys)->check(CLI::NonNegativeNumber);
  app.add_flag("--json", doctor.json);
  parse(app, words, doctor.store);
  return doctor;
}

Arguments parse_break(Words words) {
  BreakArguments breaking;
  std::string fence;
  bool current = false;
  CLI::App app{"", "break"};
  add_store(app, breaking.store);
  app.add_flag("--json", breaking.json);
  app.add_option("NAME", breaking.name)->required();
  auto* by_fence = app.add_option("--fence", fence);
  app.add_flag("--current", current)->excludes(by_fence);
  parse(app, words, breaking.store);
  breaking.name = checked_name("break", breaking.name);
  if (current) return breaking;
  if (by_fence->empty()) {
    throw WrongUsage("break",
                     "say --current to take the lock from its present holder, or --fence FENCE: "
                     "'dlock info NAME' shows it");
  }
  const auto* end = fence.data() + fence.size();
  const auto [rest, error] = std::from_chars(fence.data(), end, breaking.fence.emplace());
  if (error != std::errc{} || rest != end || *breaking.fence <= 0) {
    throw WrongUsage("break", "--fence is a positive whole number: 'dlock info NAME' shows it");
  }
  return breaking;
}

Arguments parse_config(Words words) {
  ConfigArguments config;
  CLI::App app{"", "config"};
  app.add_flag("--json", config.json);
  parse(app, words);
  return config;
}

}  // namespace dlock::cli
