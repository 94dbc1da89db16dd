// Waiting for the lock: one thread waits, and this one handles signals.
#include "cli/waiting.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <stop_token>
#include <thread>
#include <utility>

#include "cli/supervision/descriptor.hpp"
#include "cli/supervision/process_tree.hpp"
#include "cli/text/lock_text.hpp"
#include "cli/text/message.hpp"
#include "cli/text/text.hpp"
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"
#include "runtime/boot_time.hpp"
#include "runtime/identity.hpp"

namespace dlock::cli {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

bool is_us(const Party& holder) {
  return holder.pid == runtime::process_id() && holder.host == runtime::host_name();
}

class Wait {
 public:
  Wait(Client& client, const std::vector<std::string>& names, const Acquire& acquire,
       std::optional<milliseconds> limit, bool verbose, Signals& signals, pid_t guard)
      : client_(client),
        names_(names),
        acquire_(acquire),
        limit_(limit),
        verbose_(verbose),
        signals_(signals),
        guard_(guard) {}

  Waited run() {
    const auto start = runtime::boot_now();
    tell_at_ = start + (verbose_ ? 200ms : 1000ms);
    told_ = !verbose_ && ::isatty(STDERR_FILENO) == 0;
    std::jthread waiter{[this] { acquire_and_notify(); }};
    bool over = false;
    do {
      over = wait_for_event();
      take_signals();  // a signal may have come with the lock
      if (!over && !told_ && runtime::boot_now() >= tell_at_) tell();
    } while (!over);
    waiter.join();
    if (problem_ && !signal_) std::rethrow_exception(problem_);
    const auto took = std::chrono::duration_cast<milliseconds>(runtime::boot_now() - start);
    return {std::move(held_), std::move(late_), signal_, took};
  }

 private:
  void acquire_and_notify() {
    try {
      held_ = acquire_(limit_, stop_.get_token());
    } catch (const Cancelled&) {
      held_.reset();
    } catch (const TimedOut& error) {
      late_ = error;
    } catch (const std::exception&) {
      problem_ = std::current_exception();
    }
    notify(done_);
  }

  // Returns whether the wait is over.
  bool wait_for_event() {
    pollfd ready[] = {{signals_.fd(), POLLIN, 0}, {done_.get(), POLLIN, 0}};
    const auto pause =
        runtime::to_timespec(std::max<runtime::BootTime>(tell_at_ - runtime::boot_now(), 0ns));
    return ::ppoll(ready, 2, told_ ? nullptr : &pause, nullptr) > 0 && ready[1].revents != 0;
  }

  void take_signals() {
    while (const auto signal = signals_.take()) {
      if (signal->number == SIGTSTP) {
        // Ctrl-Z stops dlock. It keeps its place in the queue, unless it stays stopped too long.
        signals_.obey(SIGTSTP);
      } else if (is_ending(signal->number)) {
        signal_ = signal->number;
        stop_.request_stop();
      } else if (signal->number == SIGCHLD && is_first_process()) {
        collect_orphans(std::array{guard_});
      }
      // Other signals are for the command, which does not run yet.
    }
  }

  void tell() {
    told_ = true;
    const auto who = std::find_if(names_.begin(), names_.end(),
                                  [&](const std::string& name) { return tell_of(name); });
    // Not every user has the right to inspect locks.
    if (who == names_.end() && verbose_) note("waiting for {}", in_quotes(names_[0]));
  }

  // Names the holder, or the server's error. Returns whether it did; the wait goes on either way.
  bool tell_of(const std::string& name) {
    try {
      const auto info = inspect_lock(client_, name);
      if (!info.held || is_us(info.holder)) return false;  // dlock may have some of the locks
      note("waiting for {}, held {}", in_quotes(info.name), held_by(info));
      return true;
    } catch (const Unreachable& error) {
      note("{}; trying again", error.what());
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  Client& client_;
  const std::vector<std::string>& names_;
  const Acquire& acquire_;
  std::optional<milliseconds> limit_;
  bool verbose_;
  Signals& signals_;
  pid_t guard_;

  runtime::BootTime tell_at_{};
  bool told_ = false;
  std::optional<int> signal_;
  std::stop_source stop_;
  Descriptor done_ = make_event();
  std::optional<Held> held_;      // only the waiting thread uses it until the join
  std::optional<TimedOut> late_;  // likewise
  std::exception_ptr problem_;    // likewise
};

}  // namespace

Waited wait_for_locks(Client& client, const std::vector<std::string>& names, const Acquire& acquire,
                      std::optional<milliseconds> limit, bool verbose, Signals& signals,
                      pid_t guard) {
  return Wait{client, names, acquire, limit, verbose, signals, guard}.run();
}

}  // namespace dlock::cli
