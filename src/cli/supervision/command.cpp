// Starting the command. The library's threads exist by now, so between fork and exec the child only
// calls functions that are safe in a signal handler.
#include "cli/supervision/command.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>

#include "cli/supervision/process_tree.hpp"
#include "cli/text/exit_code.hpp"
#include "runtime/spawn.hpp"

namespace dlock::cli {

namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

// Whether the variable is for a second or later lock. An outer dlock may have set it, for more
// locks than this one has.
bool is_numbered(std::string_view name) {
  return name.starts_with("DLOCK_NAME_") || name.starts_with("DLOCK_TOKEN_") ||
         name.starts_with("DLOCK_FENCE_");
}

// systemd names the process that its sockets and its watchdog are for. If that is dlock, the
// command's variables name the command instead, without LISTEN_PIDFDID.
std::optional<std::string> for_command(std::string_view name, std::string_view text) {
  if (name != "LISTEN_PID" && name != "WATCHDOG_PID" && name != "LISTEN_PIDFDID") {
    return std::string{text};
  }
  const auto variable = name == "LISTEN_PIDFDID" ? "LISTEN_PID" : std::string{name};
  const char* const pid = std::getenv(variable.c_str());
  if (pid == nullptr || pid != std::to_string(::getpid())) return std::string{text};
  if (name == "LISTEN_PIDFDID") return std::nullopt;
  return variable + '=' + std::string{own_pid};
}

// Runs in the command's process, between fork and exec.
void fill_in_own_pid(char* const* environment) noexcept {
  char digits[16] = {};
  std::to_chars(std::begin(digits), std::end(digits), ::getpid());
  for (; *environment != nullptr; ++environment) {
    while (char* const place = std::strstr(*environment, own_pid.data())) {
      const auto length = std::strlen(digits);
      std::memcpy(place, digits, length);
      const char* const rest = place + own_pid.size();
      std::memmove(place + length, rest, std::strlen(rest) + 1);
    }
  }
}

std::vector<std::string> make_environment(const Variables& variables) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto name = text.substr(0, text.find('='));
    const bool replaced = std::any_of(variables.begin(), variables.end(),
                                      [&](const auto& variable) { return variable.first == name; });
    if (replaced || is_numbered(name)) continue;
    if (auto entry_for_command = for_command(name, text)) {
      environment.push_back(std::move(*entry_for_command));
    }
  }
  for (const auto& [name, value] : variables) environment.push_back(name + '=' + value);
  return environment;
}

[[noreturn]] void report_and_exit(const Descriptor& report, int problem) {
  [[maybe_unused]] const auto written = ::write(report.get(), &problem, sizeof problem);
  ::_exit(exit_code_of_start(problem));
}

[[noreturn]] void become_command(pid_t parent, char* const* arguments, char* const* environment,
                                 const Descriptor& report, bool lend_terminal,
                                 const Surroundings& around) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(exit_lost);
  if (!around.guard.enter()) report_and_exit(report, ETIME);
  if (lend_terminal) around.terminal.lend(::getpid());
  around.descriptors.close_others_on_exec();
  around.signals.restore_mask();
  fill_in_own_pid(environment);
  ::execvpe(arguments[0], arguments, environment);
  report_and_exit(report, errno);
}

// Returns the errno that the child reports; 0 if its exec or its death closed the pipe.
int read_report(const Descriptor& pipe) {
  int problem = 0;
  ssize_t size = 0;
  do size = ::read(pipe.get(), &problem, sizeof problem);
  while (size < 0 && errno == EINTR);
  return size == sizeof problem ? problem : 0;
}

}  // namespace

std::string numbered(std::string_view variable, std::size_t index) {
  return index == 0 ? std::string{variable} : fmt::format("{}_{}", variable, index + 1);
}

int exit_code_of_start(int problem) noexcept {
  if (problem == ETIME) return exit_lost;
  return problem == ENOENT ? exit_not_found : exit_not_executable;
}

Started start_command(const std::vector<std::string>& arguments, const Variables& variables,
                      const Surroundings& around) {
  const auto environment = make_environment(variables);
  const auto environment_pointers = runtime::pointers_to(environment);
  const auto argument_pointers = runtime::pointers_to(arguments);
  const bool lend_terminal = around.terminal.lend_at_once();
  Pipe report = make_pipe();
  const pid_t parent = ::getpid();
  adopt_orphans();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "cannot start a process");
  if (pid == 0) {
    become_command(parent, argument_pointers.data(), environment_pointers.data(), report.write,
                   lend_terminal, around);
  }
  ::setpgid(pid, pid);  // both processes do so, and neither has to wait for the other
  report.write.reset();
  const int problem = read_report(report.read);
  if (problem == 0) {
    around.guard.watch();
    return {pid, 0};
  }
  around.guard.leave();
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  around.terminal.take_back(pid);
  return {-1, problem};
}

}  // namespace dlock::cli
