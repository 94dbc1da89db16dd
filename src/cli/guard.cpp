// The guard process. After its fork it makes system calls only.
#include "cli/guard.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <new>
#include <system_error>

namespace dlock::cli {

namespace {

enum class Phase : int {
  idle,     // no command runs
  armed,    // one runs
  killing,  // the guard is about to kill it: its number must not be freed
  killed,
};

constexpr unsigned signal_whole_group = 1U << 2;  // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9

}  // namespace

/// What dlock, the command's process and the guard share.
struct GuardMemory {
  std::atomic<pid_t> group{0};
  std::atomic<std::int64_t> deadline_ns{0};
  std::atomic<Phase> phase{Phase::idle};

  static_assert(std::atomic<std::int64_t>::is_always_lock_free);

  [[nodiscard]] BootTime deadline() const noexcept {
    return std::chrono::nanoseconds{deadline_ns.load()};
  }
};

namespace {

/// What the guard process does.
class Watch {
 public:
  Watch(GuardMemory& memory, int pipe) : memory_(memory), pipe_(pipe) {}

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
    ::close_range(1, ~0U, 0);
    timer_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  }

  void on_pipe() {
    char bytes[64];
    if (::read(pipe_, bytes, sizeof bytes) <= 0) {
      kill_command();
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

  void kill_command() {
    auto expected = Phase::armed;
    if (!memory_.phase.compare_exchange_strong(expected, Phase::killing)) return;
    // The descriptor stands for this very group; its number could, after dlock's death and a long
    // stop of ours, belong to another by now.
    const bool done = command_ >= 0 && ::syscall(SYS_pidfd_send_signal, command_, SIGKILL, nullptr,
                                                 signal_whole_group) == 0;
    if (!done && (command_ < 0 || errno == EINVAL)) ::kill(-memory_.group.load(), SIGKILL);
    memory_.phase = Phase::killed;
  }

  GuardMemory& memory_;
  int pipe_;
  int timer_ = -1;
  int command_ = -1;
};

}  // namespace

Guard::Guard() {
  void* memory = ::mmap(nullptr, sizeof(GuardMemory), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "cannot share memory with the guard");
  }
  memory_ = new (memory) GuardMemory;
  Pipe pipe = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot start the guard");
  if (pid_ == 0) Watch{*memory_, pipe.read.get()}.run();
  pipe_ = std::move(pipe.write);
}

Guard::~Guard() {
  // It would end by itself at the end of file, but not if somebody stopped it.
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::munmap(memory_, sizeof(GuardMemory));
}

void Guard::poke() noexcept {
  const char byte = 0;
  [[maybe_unused]] const auto written = ::write(pipe_.get(), &byte, 1);
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
  const auto end = boot_now() + std::chrono::seconds{1};
  while (memory_->phase == Phase::killing && boot_now() < end) {
    const timespec pause = to_timespec(std::chrono::milliseconds{1});
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

}  // namespace dlock::cli
