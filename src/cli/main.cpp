// The dlock command: picks the subcommand, turns errors into messages and exit statuses.
#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

#include "cli/arguments/arguments.hpp"
#include "cli/arguments/help.hpp"
#include "cli/config.hpp"
#include "cli/doctor.hpp"
#include "cli/election.hpp"
#include "cli/gate.hpp"
#include "cli/inspect.hpp"
#include "cli/run.hpp"
#include "cli/serve/serve.hpp"
#include "cli/supervision/descriptor.hpp"
#include "cli/text/exit_code.hpp"
#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "cli/top/top.hpp"
#include "dlock/error.hpp"
#include "runtime/spawn.hpp"

namespace dlock::cli {

namespace {

#ifndef DLOCK_SERVE_INSIDE
// `dlock serve` is another program, beside this one or in the directory for such programs: its HTTP
// server needs libraries that make a start several times as long. Returns only if that fails.
int become_server(std::span<const std::string> words) {
  std::error_code error;
  const auto place = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& path : {place / "dlock-serve", place / DLOCK_LIBEXEC / "dlock-serve"}) {
    std::vector<std::string> command{path.string()};
    command.insert(command.end(), words.begin(), words.end());
    ::execv(path.c_str(), runtime::pointers_to(command).data());
  }
  complain("this dlock was built without cpp-httplib, which 'dlock serve' needs");
  return exit_internal;
}
#endif

class Dispatch {
 public:
  Dispatch(const InheritedDescriptors& descriptors, std::span<const std::string> words)
      : descriptors_(descriptors), words_(words) {}

  int operator()(const ShowText& show) const { return print(show.text); }
  int operator()(const RunArguments& arguments) const { return run(arguments, descriptors_); }
  int operator()(const ElectionArguments& arguments) const { return look(arguments); }
  int operator()(const LatchArguments& arguments) const { return pass(arguments); }
  int operator()(const BarrierArguments& arguments) const { return pass(arguments); }
  int operator()(const ListArguments& arguments) const { return list(arguments); }
  int operator()(const TopArguments& arguments) const { return top(arguments); }
#ifdef DLOCK_SERVE_INSIDE
  int operator()(const ServeArguments& arguments) const { return serve(arguments); }
#else
  int operator()(const ServeArguments&) const { return become_server(words_.subspan(1)); }
#endif
  int operator()(const InfoArguments& arguments) const { return info(arguments); }
  int operator()(const DeadlocksArguments& arguments) const { return deadlocks(arguments); }
  int operator()(const DoctorArguments& arguments) const { return examine(arguments); }
  int operator()(const BreakArguments& arguments) const { return break_holder(arguments); }
  int operator()(const ConfigArguments& arguments) const { return show_configuration(arguments); }

 private:
  const InheritedDescriptors& descriptors_;
  [[maybe_unused]] std::span<const std::string> words_;
};

int exit_code_of(errc code) {
  switch (code) {
    case errc::usage:
      return exit_usage;
    case errc::timed_out:
    case errc::deadlock:
      return exit_not_obtained;
    case errc::lost:
    case errc::broken:
      return exit_lost;
    case errc::cancelled:
    case errc::forked:
      return exit_internal;
    default:
      return exit_unavailable;
  }
}

int main(std::span<const std::string> words) {
  const InheritedDescriptors descriptors;
  if (words.empty()) {
    say(Tone::problem, "missing command");
    fmt::print(stderr, "\n{}", help_text(""));
    return exit_usage;
  }
  try {
    return std::visit(Dispatch{descriptors, words}, parse_arguments(words));
  } catch (const WrongUsage& wrong) {
    complain("{} (see 'dlock {}--help')", wrong.what(),
             wrong.command().empty() ? "" : wrong.command() + " ");
    return exit_usage;
  } catch (const Error& error) {
    complain("{}", error.what());
    return exit_code_of(error.reason());
  } catch (const std::system_error& error) {
    complain("{}", error.what());
    return exit_os_error;
  } catch (const std::exception& error) {
    complain("internal error: {}", error.what());
    return exit_internal;
  }
}

}  // namespace

}  // namespace dlock::cli

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + (count > 0 ? 1 : 0), words + count);
  return dlock::cli::main(arguments);
}
