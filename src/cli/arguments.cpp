// Parsing the command line with CLI11. Each subcommand has its own parser.
#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <initializer_list>

#include "cli/help.hpp"
#include "cli/supervision/command.hpp"
#include "cli/text/duration.hpp"
#include "cli/text/suggestion.hpp"
#include "cli/text/text.hpp"
#include "dlock/version.hpp"
#include "runtime/identity.hpp"

namespace dlock::cli {

namespace {

using Words = std::span<const std::string>;

void parse(CLI::App& app, Words words) {
  std::vector<std::string> reversed{words.rbegin(), words.rend()};
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    throw;
  } catch (const CLI::ParseError& error) {
    throw WrongUsage(app.get_name(), error.what());
  }
}

void add_store(CLI::App& app, StoreArguments& store) {
  const auto url = [&app, &store](const std::string& value) {
    if (value.empty()) {
      throw WrongUsage(app.get_name(), "--url is empty: leave it out to use DLOCK_URL or local:");
    }
    store.url = value;
  };
  app.add_option_function<std::string>("--url", url);
  app.add_option("--prefix", store.prefix);
}

// Adds an option that takes a duration.
template <class Target>
CLI::Option* add_duration(CLI::App& app, const std::string& flags, Target& target) {
  const auto set = [&target](const std::vector<std::string>& values) {
    try {
      target = parse_duration(values.back());
    } catch (const std::invalid_argument& error) {
      throw CLI::ConversionError(error.what(), CLI::ExitCodes::ConversionError);
    }
    return true;
  };
  return app.add_option(flags, set);
}

std::string checked_name(std::string_view command, const std::string& name) {
  if (!name.empty()) return name;
  throw WrongUsage(command, "the NAME is empty; is a variable of your script unset?");
}

// Returns how many of `words` belong to options: those before NAME or `--`. It never looks at
// COMMAND's own options, which come later.
std::size_t count_options(const CLI::App& app, Words words) {
  std::size_t at = 0;
  for (; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--" || word.size() < 2 || word[0] != '-') break;
    const bool is_long = word[1] == '-';
    if (is_long && word.find('=') != std::string::npos) continue;
    // Only the last letter of a cluster like -nvw can take the next word; -w5 contains its value.
    std::size_t letter = 1;
    const CLI::Option* option = nullptr;
    do option = app.get_option_no_throw(is_long ? word : std::string{'-', word[letter]});
    while (!is_long && option != nullptr && option->get_items_expected_max() == 0 &&
           ++letter < word.size());
    if (option == nullptr || option->get_items_expected_max() == 0) continue;
    if (is_long || letter + 1 == word.size()) ++at;
  }
  return std::min(at, words.size());
}

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

std::string default_label(const RunArguments& run, const std::string& shell_command) {
  return shell_command.empty() ? std::filesystem::path{run.command[0]}.filename().string()
                               : "sh -c";
}

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
  parse(app, words.first(options));
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
  parse(app, words.first(options));
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

// Parses the rest of `latch` and `barrier`. `number` is the option for their count or parties;
// --show excludes it and the options `others`.
void parse_waiting(CLI::App& app, Words words, WaitArguments& waiting, const std::string& number,
                   std::initializer_list<std::string> others) {
  add_store(app, waiting.store);
  app.add_option("NAME", waiting.name)->required();
  auto* show = app.add_flag("--show", waiting.show)->excludes(app.get_option(number));
  app.add_flag("--json", waiting.json)->needs(show);
  for (const auto& other : others) show->excludes(app.get_option(other));
  parse(app, words);
  checked_name(app.get_name(), waiting.name);
  if (!waiting.show && app.count(number) == 0) {
    throw WrongUsage(app.get_name(), number + " is required");
  }
}

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

Arguments parse_list(Words words) {
  ListArguments list;
  CLI::App app{"", "ls"};
  add_store(app, list.store);
  app.add_flag("--json", list.json);
  app.add_option("PATTERN", list.pattern);
  if (std::ranges::find(words, "--watch") != words.end()) {
    throw WrongUsage("ls", "there is no --watch: 'dlock top' is a live view");
  }
  parse(app, words);
  return list;
}

Arguments parse_top(Words words) {
  TopArguments top;
  CLI::App app{"", "top"};
  StoreArguments store;
  add_store(app, store);
  app.add_option("PATTERN", top.pattern);
  app.add_option("--filter", top.filter);
  app.add_option("--sort", top.sort)
      ->check(CLI::IsMember({"waiters", "longest", "held", "ttl", "handoffs", "name"}));
  app.add_flag("--reverse", top.reverse);
  auto* once = app.add_flag("--once", top.once);
  app.add_flag("--json", top.json)->needs(once);
  add_duration(app, "--interval", top.interval);
  app.add_option("--max-commands", top.max_commands)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000}));
  parse(app, words);
  if (top.interval < std::chrono::milliseconds{100} || top.interval > std::chrono::hours{1}) {
    throw WrongUsage("top", "--interval is from 100ms to 1h");
  }
  top.url = store.url;
  top.prefix = store.prefix;
  return top;
}

// ADDRESS, ADDRESS:PORT or [IPV6]:PORT.
void take_address(const std::string& text, ServeArguments& serve) {
  const auto colon = text.rfind(':');
  const bool is_bare_v6 = text.find(':') != colon && !text.starts_with('[');
  auto host = is_bare_v6 ? text : text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (colon != std::string::npos && !is_bare_v6) {
    const auto* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, serve.port);
    if (error != std::errc{} || rest != end) {
      throw WrongUsage("serve", "--listen is ADDRESS or ADDRESS:PORT, as 127.0.0.1:8650");
    }
  }
  if (!host.empty()) serve.host = host;
}

Arguments parse_serve(Words words) {
  ServeArguments serve;
  StoreArguments store;
  std::string address;
  CLI::App app{"", "serve"};
  add_store(app, store);
  app.add_option("PATTERN", serve.pattern);
  app.add_option("--listen", address);
  app.add_option("--allow-host", serve.allowed_hosts)->allow_extra_args(false);
  app.add_option("--metrics-lock", serve.metrics_patterns)->allow_extra_args(false);
  app.add_option("--allow-break", serve.token_file);
  app.add_option("--metrics-busiest", serve.busiest)
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000}));
  app.add_option("--max-commands", serve.max_commands)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000}));
  parse(app, words);
  take_address(address, serve);
  serve.url = store.url;
  serve.prefix = store.prefix;
  return serve;
}

Arguments parse_info(Words words) {
  InfoArguments info;
  CLI::App app{"", "info"};
  add_store(app, info.store);
  app.add_flag("--json", info.json);
  app.add_option("NAME", info.name)->required();
  parse(app, words);
  info.name = checked_name("info", info.name);
  return info;
}

Arguments parse_deadlocks(Words words) {
  DeadlocksArguments deadlocks;
  CLI::App app{"", "deadlocks"};
  add_store(app, deadlocks.store);
  app.add_flag("--json", deadlocks.json);
  parse(app, words);
  return deadlocks;
}

Arguments parse_doctor(Words words) {
  DoctorArguments doctor;
  CLI::App app{"", "doctor"};
  add_store(app, doctor.store);
  add_duration(app, "--clock", doctor.clock);
  app.add_option("--keys", doctor.keys)->check(CLI::NonNegativeNumber);
  app.add_flag("--json", doctor.json);
  parse(app, words);
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
  parse(app, words);
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
