// The arguments of run and elect, which start a COMMAND.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "cli/arguments/options.hpp"
#include "cli/arguments/parsers.hpp"
#include "cli/supervision/command.hpp"
#include "cli/text/duration.hpp"
#include "cli/text/text.hpp"
#include "runtime/identity.hpp"

namespace dlock::cli {

namespace {

// Checks that each name fits into the environment as VARIABLE=NAME with a zero at its end.
void check_names(std::string_view command, const std::vector<std::string>& names) {
  const auto limit = runtime::max_exec_string();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto size = checked_name(command, names[i]).size();
    const auto variable = numbered("DLOCK_NAME", i);
    const auto most = limit - variable.size() - 2;
    if (size > most) {
      throw WrongUsage(command, fmt::format("the NAME is {} bytes long; at most {} fit into {}",
                                            size, most, variable));
    }
  }
}

// The one option that users may also write behind the NAME, with its values.
struct LateOption {
  std::string_view name;   ///< `--and`
  std::string_view value;  ///< the value's name in messages: `NAME`
  std::vector<std::string>& values;
};

// Takes the option as often as it occurs at the head of `words`. Returns the other words.
Words take_late_option(std::string_view command, const LateOption& option, Words words) {
  while (!words.empty() && words[0].starts_with(option.name)) {
    const std::string_view rest = std::string_view{words[0]}.substr(option.name.size());
    if (rest.empty() && words.size() < 2) {
      throw WrongUsage(command, fmt::format("{} needs a {}", option.name, option.value));
    }
    if (!rest.empty() && rest[0] != '=') break;
    option.values.push_back(rest.empty() ? words[1] : std::string{rest.substr(1)});
    words = words.subspan(rest.empty() ? 2 : 1);
  }
  return words;
}

void take_names_and_command(std::string_view command, RunArguments& run, Words words,
                            const LateOption& late, const std::string& shell_command) {
  const auto wrong = [command](const std::string& what) { return WrongUsage(command, what); };
  if (!words.empty() && words[0] == "--") words = words.subspan(1);
  if (words.empty()) {
    throw wrong(fmt::format("a NAME and a COMMAND are missing: dlock {} NAME COMMAND", command));
  }
  run.names.insert(run.names.begin(), words[0]);
  words = take_late_option(command, late, words.subspan(1));
  check_names(command, run.names);
  const bool marked = !words.empty() && words[0] == "--";
  if (marked) words = words.subspan(1);
  std::string shell = shell_command;
  if (!marked && words.size() == 2 && words[0] == "-c" && shell.empty()) {
    shell = words[1];  // as `flock FILE -c STRING`
    words = {};
  }
  if (!shell.empty()) {
    if (!words.empty()) throw wrong("-c and a COMMAND exclude each other");
    run.command = {"/bin/sh", "-c", shell};
    return;
  }
  if (words.empty()) {
    throw wrong(fmt::format("the COMMAND is missing: dlock {} NAME COMMAND, or -c 'SHELL COMMAND'",
                            command));
  }
  if (!marked && words[0].starts_with('-')) {
    throw wrong(
        fmt::format("options go before the NAME; a COMMAND called {0} after --: NAME -- {0}",
                    printable(words[0])));
  }
  if (words[0].empty()) throw wrong("the COMMAND is empty; is a variable of your script unset?");
  run.command.assign(words.begin(), words.end());
}

// Adds the options for a run once in a period. Such a run neither waits nor renews, and exits with
// 0 if another run has the lock.
void add_once(CLI::App& app, RunArguments& run) {
  auto* at_least = add_duration(app, "--at-least", run.at_least);
  auto* at_most = add_duration(app, "--at-most", run.ttl)->needs(at_least);
  for (const auto* other :
       {"--ttl", "--no-renew", "--wait", "--nonblock", "--shared", "--exclusive", "--permits"}) {
    at_least->excludes(app.get_option(other));
  }
  app.callback([&run, at_least, at_most, conflict = app.get_option("-E")] {
    if (at_least->empty()) return;
    run.kind = RunKind::once;
    run.renew = false;
    run.wait = std::chrono::milliseconds{0};
    if (at_most->empty()) run.ttl = std::chrono::hours{1};
    if (conflict->empty()) run.conflict_exit_code = 0;
  });
}

// -s and -x take the two sides of one reader-writer lock. Without these options the lock is a
// mutex.
void add_kind(CLI::App& app, RunArguments& run) {
  constexpr auto most = static_cast<std::int64_t>((1 << 30) - 1);
  auto* shared = app.add_flag_callback("-s,--shared", [&] { run.kind = RunKind::reader; });
  auto* exclusive = app.add_flag_callback("-x,--exclusive", [&] { run.kind = RunKind::writer; });
  auto* permits = app.add_option_function<std::int64_t>("--permits",
                                                        [&run](std::int64_t number) {
                                                          run.kind = RunKind::semaphore;
                                                          run.permits = number;
                                                        })
                      ->check(CLI::Range(std::int64_t{1}, most));
  app.add_option("--weight", run.weight)->check(CLI::Range(std::int64_t{1}, most))->needs(permits);
  shared->excludes(exclusive)->excludes(permits);
  exclusive->excludes(permits);
}

void check_kind(const RunArguments& run) {
  if (run.weight > run.permits) {
    throw WrongUsage("run", fmt::format("--weight {} is more than there are: --permits {}",
                                        run.weight, run.permits));
  }
  if (run.kind != RunKind::once) return;
  if (run.at_least == std::chrono::milliseconds::zero()) {
    throw WrongUsage("run", "--at-least is zero: leave it out");
  }
  if (run.at_least > run.ttl) {
    throw WrongUsage("run", fmt::format("--at-least {} is longer than --at-most {}",
                                        format_duration(run.at_least), format_duration(run.ttl)));
  }
}

// Adds the options that `run` and `elect` share.
void add_running(CLI::App& app, RunArguments& run, std::string& shell_command) {
  add_store(app, run.store);
  add_duration(app, "--ttl", run.ttl);
  auto* wait = add_duration(app, "-w,--wait", run.wait);
  app.add_flag_callback("-n,--nonblock", [&run] { run.wait = std::chrono::milliseconds{0}; })
      ->excludes(wait);
  app.add_option("-E,--conflict-exit-code", run.conflict_exit_code)->check(CLI::Range(0, 255));
  auto* replicas = app.add_option("--min-replicas", run.min_replicas)
                       ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000}));
  add_duration(app, "--replication-timeout", run.replication_timeout)->needs(replicas);
  add_duration(app, "--kill-after", run.kill_after);
  app.add_option("--label", run.label);
  app.add_option("-c,--command", shell_command)->each([&app](const std::string& text) {
    if (text.empty()) throw WrongUsage(app.get_name(), "-c is empty");
  });
  app.add_flag("-v,--verbose", run.verbose);
}

// Parses what `add_running` added.
void parse_running(CLI::App& app, Words words, RunArguments& run) {
  const auto configuration = parse(app, words, run.store);
  if (run.kind != RunKind::once && app.count("--ttl") == 0) run.ttl = configuration.ttl.value;
  if (app.count("--label") == 0) run.label = configuration.label.value;
}

std::string default_label(const RunArguments& run, const std::string& shell_command) {
  return shell_command.empty() ? std::filesystem::path{run.command[0]}.filename().string()
                               : "sh -c";
}

}  // namespace

Arguments parse_run(Words words) {
  RunArguments run;
  std::string shell_command;
  CLI::App app{"", "run"};
  add_running(app, run, shell_command);
  app.add_flag_callback("--no-renew", [&] { run.renew = false; });
  add_kind(app, run);
  add_once(app, run);
  app.add_option("--and", run.names)->allow_extra_args(false);
  const auto options = count_options(app, words);
  parse_running(app, words.first(options), run);
  check_kind(run);
  take_names_and_command("run", run, words.subspan(options), {"--and", "NAME", run.names},
                         shell_command);
  if (run.names.size() > 1 && run.kind != RunKind::mutex) {
    throw WrongUsage("run", "--and takes mutexes: not with -s, -x, --permits and --at-least");
  }
  if (run.label.empty()) run.label = default_label(run, shell_command);
  return run;
}

// `elect --listen` and `elect --show` take no COMMAND.
Arguments parse_elect(Words words) {
  RunArguments run;
  ElectionArguments look;
  std::vector<std::string> values;
  std::string shell_command;
  CLI::App app{"", "elect"};
  add_running(app, run, shell_command);
  app.add_option("--value", values)->allow_extra_args(false);
  auto* listen = app.add_flag("--listen", look.listen);
  auto* show = app.add_flag("--show")->excludes(listen);
  auto* json = app.add_flag("--json", look.json);
  for (const auto* other :
       {"--ttl", "--wait", "--nonblock", "--conflict-exit-code", "--kill-after", "--label",
        "--command", "--value", "--verbose", "--min-replicas", "--replication-timeout"}) {
    listen->excludes(app.get_option(other));
    show->excludes(app.get_option(other));
  }
  const auto options = count_options(app, words);
  parse_running(app, words.first(options), run);
  words = words.subspan(options);
  if (listen->count() + show->count() > 0) {
    if (!words.empty() && words[0] == "--") words = words.subspan(1);
    if (words.size() != 1) throw WrongUsage("elect", "--listen and --show take a NAME, no more");
    look.store = run.store;
    look.name = checked_name("elect", words[0]);
    return look;
  }
  if (json->count() > 0) throw WrongUsage("elect", "--json is for --listen and --show");
  run.kind = RunKind::leader;
  take_names_and_command("elect", run, words, {"--value", "VALUE", values}, shell_command);
  if (values.size() > 1) throw WrongUsage("elect", "say --value only once");
  run.value = values.empty() ? runtime::host_name() : values[0];
  if (run.label.empty()) run.label = default_label(run, shell_command);
  return run;
}

}  // namespace dlock::cli
