// Starts a program that outlives this one, its terminal and its process group.
#include "runtime/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace dlock::runtime {
namespace {

// All that the children need, made before the fork: after it only async-signal-safe calls are
// allowed, since another thread may have held any lock at that moment.
struct Plan {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  const char* directory;
  std::vector<int> kept;
  int report;  // takes the error number of a failure; closed by a successful exec
  int end;     // takes the program's exit status
};

constexpr int kept_place = 3;
constexpr int scratch_place = 32;  // above all places

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

// Leaves 0 to 2 on /dev/null, `kept` at their places, `report` after them, and nothing else.
int arrange_descriptors(std::span<const int> kept, int report) {
  report = ::fcntl(report, F_DUPFD_CLOEXEC, scratch_place);
  if (report < 0) ::_exit(127);
  std::array<int, scratch_place> moved;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    moved[i] = kept[i] < 0 ? -1 : ::fcntl(kept[i], F_DUPFD_CLOEXEC, scratch_place);
    if (moved[i] < 0 && kept[i] >= 0) fail(report);
  }
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0) fail(report);
  for (int fd = 0; fd < kept_place; ++fd) {
    if (::dup2(null, fd) < 0) fail(report);
  }
  int place = kept_place;
  for (std::size_t i = 0; i < kept.size(); ++i, ++place) {
    if (moved[i] < 0) {
      ::close(place);
    } else if (::dup2(moved[i], place) < 0) {
      fail(report);
    }
  }
  if (::dup3(report, place, O_CLOEXEC) < 0) fail(report);
  close_from(place + 1);
  return place;
}

// They come from whichever program happens to start this one.
void lift_limits() {
  for (const auto resource : {RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_AS, RLIMIT_DATA}) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) continue;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(resource, &limit);
  }
}

[[noreturn]] void become(const Plan& plan) {
  const int report = arrange_descriptors(plan.kept, plan.report);
  reset_signals();
  lift_limits();
  ::umask(077);
  if (::chdir(plan.directory) == 0) {
    ::execve(plan.arguments[0], plan.arguments.data(), plan.environment.data());
  }
  fail(report);
}

// Waits until the program has ended, or the reader of its status is gone.
[[noreturn]] void watch(pid_t program, int end) {
  end = arrange_descriptors({}, end);
  reset_signals();
  const auto exit = static_cast<int>(::syscall(SYS_pidfd_open, program, 0));
  constexpr int without_exit = 10;  // in milliseconds, on a kernel that has no such descriptors
  for (;;) {
    pollfd entries[] = {{end, 0, 0}, {exit, POLLIN, 0}};
    ::poll(entries, 2, exit < 0 ? without_exit : -1);
    if (entries[0].revents != 0) ::_exit(0);
    int status = 0;
    if (::waitpid(program, &status, WNOHANG) != program) continue;
    [[maybe_unused]] const auto written = ::write(end, &status, sizeof status);
    ::_exit(0);
  }
}

// Runs in the first child: makes a session without a terminal, whose children can never get one.
[[noreturn]] void detach(const Plan& plan) {
  if (::setsid() < 0) fail(plan.report);
  pid_t child = ::fork();
  if (child < 0) fail(plan.report);
  if (child > 0) ::_exit(0);
  child = ::fork();
  if (child < 0) fail(plan.report);
  if (child == 0) become(plan);
  watch(child, plan.end);
}

// Handlers of this program must not run in the child, so it blocks signals until it has reset them.
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

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const auto& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::optional<int> Spawned::end() const {
  int status = -1;
  const auto size = ::read(end_.get(), &status, sizeof status);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  return size == sizeof status ? status : -1;
}

Spawned spawn_detached(const Program& program, Deadline deadline) {
  Pipe report;
  Pipe end;
  if (!open_pipe(report) || !open_pipe(end, O_NONBLOCK)) return {errno, {}};
  const Plan plan{pointers_to(program.command), pointers_to(program.environment),
                  program.directory.c_str(),    program.kept,
                  report.write.get(),           end.write.get()};
  const pid_t child = fork_without_signals();
  int error = child < 0 ? errno : 0;
  if (child == 0) detach(plan);
  report.write.reset();
  end.write.reset();
  if (child > 0) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    // With a limit: a fork of another thread may hold the pipe open.
    int reported = 0;
    if (wait_for(report.read.get(), POLLIN, deadline) &&
        ::read(report.read.get(), &reported, sizeof reported) == sizeof reported) {
      error = reported;
    }
  }
  return {error, std::move(end.read)};
}

}  // namespace dlock::runtime
