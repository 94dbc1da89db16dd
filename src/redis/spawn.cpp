// Spawning a program that outlives this one: its terminal, its process group, its descriptors.
#include "redis/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace dlock::redis {
namespace {

// All that the child needs, made before the fork: after it only async-signal-safe calls are
// allowed, since another thread may have held any lock at that moment.
struct Plan {
  std::vector<char*> arguments;
  const char* directory;
  int kept;
  int report;           // takes the error number of a failure; closed by a successful exec
  unsigned open_files;  // descriptors are below this
};

constexpr int kept_place = 3;
constexpr int report_place = 4;

[[noreturn]] void fail(int report) {
  const int error = errno;
  // Nobody is left to tell when this fails too.
  [[maybe_unused]] const auto written = ::write(report, &error, sizeof error);
  ::_exit(127);
}

void reset_signals() {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_from(unsigned first, unsigned open_files) {
  if (::close_range(first, ~0U, 0) == 0) return;
  for (unsigned fd = first; fd < open_files; ++fd) ::close(static_cast<int>(fd));
}

// Leaves 0 to 2 on /dev/null, `kept` and the report at their places, and nothing else.
int arrange_descriptors(const Plan& plan) {
  const int report = ::fcntl(plan.report, F_DUPFD_CLOEXEC, report_place + 1);
  if (report < 0) fail(plan.report);
  const int kept = ::fcntl(plan.kept, F_DUPFD_CLOEXEC, report_place + 1);
  const int null = ::open("/dev/null", O_RDWR);
  if (kept < 0 || null < 0) fail(report);
  for (int fd = 0; fd <= 2; ++fd) {
    if (::dup2(null, fd) < 0) fail(report);
  }
  if (::dup2(kept, kept_place) < 0) fail(report);
  if (::dup3(report, report_place, O_CLOEXEC) < 0) fail(report);
  close_from(report_place + 1, plan.open_files);
  return report_place;
}

[[noreturn]] void become(const Plan& plan) {
  const int report = arrange_descriptors(plan);
  reset_signals();
  ::umask(077);
  if (::chdir(plan.directory) == 0) ::execv(plan.arguments[0], plan.arguments.data());
  fail(report);
}

// In the first child: a session without a terminal, and a second child that can never get one.
[[noreturn]] void detach(const Plan& plan) {
  if (::setsid() < 0) fail(plan.report);
  const pid_t child = ::fork();
  if (child < 0) fail(plan.report);
  if (child == 0) become(plan);
  ::_exit(0);
}

unsigned most_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1'048'576) return 1'048'576;
  return static_cast<unsigned>(limit.rlim_cur);
}

// Handlers of this program must not run in the child: no signal until it has reset them.
pid_t fork_without_signals() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = ::fork();
  const int error = errno;
  if (child != 0) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}

}  // namespace

int spawn_detached(const std::vector<std::string>& command, const std::string& directory, int kept,
                   Deadline deadline) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return errno;
  Plan plan{{}, directory.c_str(), kept, pipe[1], most_open_files()};
  for (const auto& argument : command)
    plan.arguments.push_back(const_cast<char*>(argument.c_str()));
  plan.arguments.push_back(nullptr);

  const pid_t child = fork_without_signals();
  int error = child < 0 ? errno : 0;
  if (child == 0) detach(plan);
  ::close(pipe[1]);
  if (child > 0) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    // With a limit: a fork of another thread may hold the pipe open.
    int reported = 0;
    if (wait_for(pipe[0], POLLIN, deadline) &&
        ::read(pipe[0], &reported, sizeof reported) == sizeof reported) {
      error = reported;
    }
  }
  ::close(pipe[0]);
  return error;
}

}  // namespace dlock::redis
