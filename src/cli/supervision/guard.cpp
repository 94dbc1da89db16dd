// The guard process. dlock forks it before it starts threads, so the guard may call any function.
#include "cli/supervision/guard.hpp"

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
#include <functional>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/supervision/descriptor.hpp"
#include "cli/supervision/process_record.hpp"
#include "cli/supervision/process_tree.hpp"

namespace dlock::cli {

namespace {

enum class Phase : int {
  idle,     // no command runs
  armed,    // a command runs
  killing,  // the guard is killing it: dlock must not collect it, which would free its pid
  killed,
};

using namespace std::chrono_literals;

constexpr std::size_t max_fences = 64;
constexpr auto max_kill_time = 5s;  // for the command and all processes that it started
constexpr std::chrono::nanoseconds initial_pause = 10ms;  // between looks at these processes
constexpr std::chrono::nanoseconds max_pause = 500ms;
constexpr int max_processor_share = 100;          // looks take at most a hundredth of the time
constexpr unsigned signal_whole_group = 1U << 2;  // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9

}  // namespace

/// The memory that dlock, the command's process and the guard share.
struct GuardMemory {
  std::atomic<pid_t> group{0};
  std::atomic<std::int64_t> deadline_ns{0};
  std::atomic<Phase> phase{Phase::idle};
  // dlock writes these before the phase becomes `armed`:
  std::atomic<std::int64_t> begin_ns{0};
  std::array<char, 128> mark{};
  std::array<std::int64_t, max_fences> fences{};
  std::atomic<std::size_t> fence_count{0};

  static_assert(std::atomic<std::int64_t>::is_always_lock_free);

  [[nodiscard]] runtime::BootTime begin() const noexcept {
    return std::chrono::nanoseconds{begin_ns.load()};
  }
  [[nodiscard]] runtime::BootTime deadline() const noexcept {
    return std::chrono::nanoseconds{deadline_ns.load()};
  }
};

namespace {

/// The work of the guard process.
class Watch {
 public:
  Watch(GuardMemory& memory, int pipe, pid_t dlock, Guard::GiveBack give_back)
      : memory_(memory), pipe_(pipe), dlock_(dlock), give_back_(std::move(give_back)) {}

  [[noreturn]] void run() {
    prepare();
    for (;;) {
      pollfd ready[] = {{pipe_, POLLIN, 0}, {timer_, POLLIN, 0}};
      const int count = ::poll(ready, 2, next_look());
      if (count == 0) look();
      if (count <= 0) continue;
      if (ready[0].revents != 0) on_pipe();
      if (ready[1].revents != 0) on_timer();
    }
  }

 private:
  void prepare() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    ::prctl(PR_SET_NAME, guard_name);
    session_ = ::getsid(0);  // dlock's
    ::setsid();
    [[maybe_unused]] const int moved = ::chdir("/");
    if (pipe_ != 0) ::dup2(pipe_, 0);
    pipe_ = 0;
    runtime::close_from(1);
    timer_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  }

  void on_pipe() {
    char bytes[64];
    if (::read(pipe_, bytes, sizeof bytes) <= 0) {
      if (kill_command()) give_back();
      ::_exit(0);
    }
    arm_timer();
    if (!is_watching_ && memory_.phase == Phase::armed) start_watching();
  }

  void start_watching() {
    is_watching_ = true;
    record_.begin(session_, memory_.begin());
    command_ = static_cast<int>(::syscall(SYS_pidfd_open, memory_.group.load(), 0U));
    // Asked after that, since the guard may be stopped at any time: while dlock was there, the
    // command had its pid. Later another process may have it.
    if (command_ >= 0 && !is_dlock_there()) ::close(std::exchange(command_, -1));
  }

  void on_timer() {
    std::uint64_t expirations = 0;
    [[maybe_unused]] const auto size = ::read(timer_, &expirations, sizeof expirations);
    if (runtime::boot_now() < memory_.deadline()) {
      arm_timer();
    } else {
      kill_command();
    }
  }

  // Returns a timeout for poll(): milliseconds, or -1 when no look is due.
  [[nodiscard]] int next_look() const {
    const bool runs = is_watching_ && memory_.phase == Phase::armed;
    return runs ? static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(pause_).count())
                : -1;
  }

  // Looks soon after the start, when daemons begin, and then less and less often.
  void look() {
    const auto begin = runtime::boot_now();
    record_.look(dlock_, ::getpid());
    const auto took = runtime::boot_now() - begin;
    pause_ = std::max(std::min(2 * pause_, max_pause), max_processor_share * took);
  }

  void arm_timer() {
    itimerspec when{};
    when.it_value = runtime::to_timespec(memory_.deadline());
    ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  // Returns whether the command and all processes that it started have ended.
  bool kill_command() {
    auto expected = Phase::armed;
    if (!memory_.phase.compare_exchange_strong(expected, Phase::killing)) return is_gone_;
    if (!is_watching_) start_watching();
    wait_for_dlock();
    // The descriptor always means this group. Another group may have its number by now, if dlock
    // died and the guard was stopped for a long time.
    const bool done = command_ >= 0 && ::syscall(SYS_pidfd_send_signal, command_, SIGKILL, nullptr,
                                                 signal_whole_group) == 0;
    if (!done && (command_ < 0 || errno == EINVAL) && is_command_there()) {
      ::kill(-memory_.group.load(), SIGKILL);
    }
    is_gone_ = kill_what_it_started();
    memory_.phase = Phase::killed;
    return is_gone_;
  }

  // Until somebody collects the command, no other group can have its number.
  [[nodiscard]] bool is_command_there() const {
    if (command_ < 0) return is_dlock_there();
    return ::syscall(SYS_pidfd_send_signal, command_, 0, nullptr, 0U) == 0;
  }

  [[nodiscard]] bool is_dlock_there() const { return ::getppid() == dlock_; }

  // A dying dlock closes its pipe just before another process adopts its children.
  void wait_for_dlock() const {
    pollfd end{pipe_, POLLIN, 0};
    const auto until = runtime::boot_now() + max_kill_time;
    while (::poll(&end, 1, 0) > 0 && (end.revents & POLLHUP) != 0 && is_dlock_there() &&
           runtime::boot_now() < until) {
      nap(1ms);
    }
  }

  void find(const std::function<void(pid_t)>& visit) {
    if (is_dlock_there()) {
      for_each_descendant(dlock_, ::getpid(), visit);
    } else {
      record_.find(memory_.mark.data(), visit);
    }
  }

  [[nodiscard]] std::vector<Process> what_is_left() {
    if (is_dlock_there()) return find_descendants(dlock_, ::getpid());
    std::vector<Process> left;
    record_.find(memory_.mark.data(), [&](pid_t pid) {
      auto process = runtime::read_process(pid);
      if (process && !process->has_ended()) left.push_back(std::move(*process));
    });
    return left;
  }

  bool kill_what_it_started() {
    const auto end = runtime::boot_now() + max_kill_time;
    for (auto pause = 1ms; runtime::boot_now() < end;
         pause = std::min<decltype(pause)>(2 * pause, 50ms)) {
      const auto left = what_is_left();
      if (left.empty()) {
        return is_dlock_there() || record_.knows_children_of(::getppid(), ::getpid());
      }
      const auto refused =
          stop_and_kill([this](const auto& visit) { find(visit); }, ::getpgid(dlock_));
      if (refused.size() == left.size()) return false;  // all of them run as another user
      nap(pause);
    }
    return false;
  }

  static void nap(std::chrono::nanoseconds span) {
    const timespec pause = runtime::to_timespec(span);
    ::nanosleep(&pause, nullptr);
  }

  void give_back() noexcept {
    const auto count = memory_.fence_count.load();
    if (count == 0) return;
    try {
      give_back_({memory_.fences.data(), count});
    } catch (const std::exception&) {
      return;  // the leases run out
    }
  }

  GuardMemory& memory_;
  int pipe_;
  const pid_t dlock_;
  const Guard::GiveBack give_back_;
  int timer_ = -1;
  int command_ = -1;
  bool is_watching_ = false;
  pid_t session_ = 0;
  bool is_gone_ = true;  ///< the command and all processes that it started
  ProcessRecord record_;
  std::chrono::nanoseconds pause_ = initial_pause;  ///< until the next look
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
    // The guard ends at the end of file too, but not if somebody stopped it.
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
  const auto count = fences.size() <= max_fences ? fences.size() : 0;
  std::copy_n(fences.begin(), count, memory_->fences.begin());
  memory_->fence_count = count;
  memory_->begin_ns = runtime::boot_now().count();
}

void Guard::set_deadline(runtime::BootTime deadline) noexcept {
  const bool first = memory_->deadline_ns.exchange(deadline.count()) == 0;
  if (first) poke();  // the guard reads later ones when its timer fires
}

runtime::BootTime Guard::deadline() const noexcept { return memory_->deadline(); }

bool Guard::enter() noexcept {
  memory_->group = ::getpid();
  memory_->phase = Phase::armed;
  return runtime::boot_now() < memory_->deadline();
}

void Guard::watch() noexcept { poke(); }

bool Guard::leave() noexcept {
  auto expected = Phase::armed;
  if (memory_->phase.compare_exchange_strong(expected, Phase::idle)) return false;
  // The guard is killing now. Do not wait without limit: somebody may kill or stop the guard.
  const auto end = runtime::boot_now() + max_kill_time + 1s;
  while (memory_->phase == Phase::killing && runtime::boot_now() < end) {
    const timespec pause = runtime::to_timespec(std::chrono::milliseconds{1});
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

}  // namespace dlock::cli
