// The guard process. It is forked before there are threads, so all may be done in it.
#include "cli/guard.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "cli/descriptor.hpp"
#include "cli/process_tree.hpp"

namespace dlock::cli {

namespace {

enum class Phase : int {
  idle,     // no command runs
  armed,    // one runs
  killing,  // the guard is about to kill it: its number must not be freed
  killed,
};

using namespace std::chrono_literals;

constexpr std::size_t most_fences = 64;
constexpr auto longest_kill = 5s;                 // until all that the command started is gone
constexpr unsigned signal_whole_group = 1U << 2;  // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9

}  // namespace

/// What dlock, the command's process and the guard share.
struct GuardMemory {
  std::atomic<pid_t> group{0};
  std::atomic<std::int64_t> deadline_ns{0};
  std::atomic<Phase> phase{Phase::idle};
  // Written before the phase is armed:
  std::array<char, 128> mark{};
  std::array<std::int64_t, most_fences> fences{};
  std::atomic<std::size_t> fence_count{0};

  static_assert(std::atomic<std::int64_t>::is_always_lock_free);

  [[nodiscard]] BootTime deadline() const noexcept {
    return std::chrono::nanoseconds{deadline_ns.load()};
  }
};

namespace {

/// What the guard process does.
class Watch {
 public:
  Watch(GuardMemory& memory, int pipe, pid_t dlock, Guard::GiveBack give_back)
      : memory_(memory), pipe_(pipe), dlock_(dlock), give_back_(std::move(give_back)) {}

  [[noreturn]] void run() {
    prepare();
    for (;;) {
      pollfd ready[] = {{pipe_, POLLIN, 0}, {timer_, POLLIN, 0}};
      if (::poll(ready, 2, -1) < 0) continue;
      if (ready[0].revents != 0) on_pipe();
      if (ready[1].revents != 0) on_timer();
    }
  }

 private:
  void prepare() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    ::prctl(PR_SET_NAME, "dlock-guard");
    ::setsid();
    [[maybe_unused]] const int moved = ::chdir("/");
    if (pipe_ != 0) ::dup2(pipe_, 0);
    pipe_ = 0;
    close_from(1);
    timer_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  }

  void on_pipe() {
    char bytes[64];
    if (::read(pipe_, bytes, sizeof bytes) <= 0) {
      if (kill_command()) give_back();
      ::_exit(0);
    }
    arm_timer();
    if (command_ < 0 && memory_.phase == Phase::armed) {
      command_ = static_cast<int>(::syscall(SYS_pidfd_open, memory_.group.load(), 0U));
    }
  }

  void on_timer() {
    std::uint64_t expirations = 0;
    [[maybe_unused]] const auto size = ::read(timer_, &expirations, sizeof expirations);
    if (boot_now() < memory_.deadline()) {
      arm_timer();
    } else {
      kill_command();
    }
  }

  void arm_timer() {
    itimerspec when{};
    when.it_value = to_timespec(memory_.deadline());
    ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  // Whether it is gone, and all that it started.
  bool kill_command() {
    auto expected = Phase::armed;
    if (!memory_.phase.compare_exchange_strong(expected, Phase::killing)) return true;
    // The descriptor stands for this very group; its number could, after dlock's death and a long
    // stop of ours, belong to another by now.
    const bool done = command_ >= 0 && ::syscall(SYS_pidfd_send_signal, command_, SIGKILL, nullptr,
                                                 signal_whole_group) == 0;
    if (!done && (command_ < 0 || errno == EINVAL)) ::kill(-memory_.group.load(), SIGKILL);
    const bool gone = kill_what_it_started();
    memory_.phase = Phase::killed;
    return gone;
  }

  bool kill_what_it_started() {
    const auto end = boot_now() + longest_kill;
    for (auto pause = 1ms; boot_now() < end; pause = std::min<decltype(pause)>(2 * pause, 50ms)) {
      // Of a dlock that is gone the orphans are somebody else's children, and its numbers too.
      const bool is_there = ::getppid() == dlock_;
      const auto left = find_processes({.dlock = is_there ? dlock_ : 0,
                                        .guard = ::getpid(),
                                        .group = is_there ? memory_.group.load() : 0,
                                        .mark = memory_.mark.data()});
      if (left.empty()) return true;
      if (signal_all(left, SIGKILL).size() == left.size()) return false;  // they are not ours
      const timespec span = to_timespec(pause);
      ::nanosleep(&span, nullptr);
    }
    return false;
  }

  void give_back() noexcept {
    const auto count = memory_.fence_count.load();
    if (count == 0) return;
    try {
      give_back_({memory_.fences.data(), count});
    } catch (const std::exception&) {
      return;  // they run out
    }
  }

  GuardMemory& memory_;
  int pipe_;
  const pid_t dlock_;
  const Guard::GiveBack give_back_;
  int timer_ = -1;
  int command_ = -1;
};

}  // namespace

Guard::Guard(GiveBack give_back) {
  void* memory = ::mmap(nullptr, sizeof(GuardMemory), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "cannot share memory with the guard");
  }
  memory_ = new (memory) GuardMemory;
  Pipe pipe = make_pipe();
  const pid_t dlock = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot start the guard");
  if (pid_ == 0) Watch{*memory_, pipe.read.get(), dlock, std::move(give_back)}.run();
  pipe_ = std::move(pipe.write);
}

Guard::~Guard() {
  if (pid_ > 0) {
    // It would end by itself at the end of file, but not if somebody stopped it.
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  ::munmap(memory_, sizeof(GuardMemory));
}

bool Guard::has_ended() noexcept {
  if (pid_ <= 0 || ::waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

void Guard::poke() noexcept {
  const char byte = 0;
  [[maybe_unused]] const auto written = ::write(pipe_.get(), &byte, 1);
}

void Guard::arm(std::string_view mark, std::span<const std::int64_t> fences) noexcept {
  const auto length = std::min(mark.size(), memory_->mark.size() - 1);
  std::copy_n(mark.begin(), length, memory_->mark.begin());
  const auto count = fences.size() <= most_fences ? fences.size() : 0;
  std::copy_n(fences.begin(), count, memory_->fences.begin());
  memory_->fence_count = count;
}

void Guard::set_deadline(BootTime deadline) noexcept {
  const bool first = memory_->deadline_ns.exchange(deadline.count()) == 0;
  if (first) poke();  // later ones it reads when its timer fires
}

BootTime Guard::deadline() const noexcept { return memory_->deadline(); }

bool Guard::enter() noexcept {
  memory_->group = ::getpid();
  memory_->phase = Phase::armed;
  return boot_now() < memory_->deadline();
}

void Guard::watch() noexcept { poke(); }

bool Guard::leave() noexcept {
  auto expected = Phase::armed;
  if (memory_->phase.compare_exchange_strong(expected, Phase::idle)) return false;
  // It kills at this moment. Bounded, in case it was itself killed or stopped in the middle.
  const auto end = boot_now() + longest_kill + 1s;
  while (memory_->phase == Phase::killing && boot_now() < end) {
    const timespec pause = to_timespec(std::chrono::milliseconds{1});
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

}  // namespace dlock::cli
