// Waiting for the lock: one thread waits, this one looks after signals.
#include "cli/waiting.hpp"

#include <poll.h>

#include <algorithm>
#include <exception>
#include <stop_token>
#include <thread>
#include <utility>

#include "cli/boot_time.hpp"
#include "cli/descriptor.hpp"
#include "cli/lock_text.hpp"
#include "cli/message.hpp"
#include "cli/text.hpp"
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"

namespace dlock::cli {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

std::optional<Lease> unless_cancelled(const Acquire& acquire, std::optional<milliseconds> limit,
                                      std::stop_token stop) {
  try {
    return acquire(limit, std::move(stop));
  } catch (const Cancelled&) {
    return std::nullopt;
  }
}

class Wait {
 public:
  Wait(Client& client, const std::string& name, const Acquire& acquire,
       std::optional<milliseconds> limit, bool verbose, Signals& signals)
      : client_(client),
        name_(name),
        acquire_(acquire),
        limit_(limit),
        verbose_(verbose),
        signals_(signals) {}

  Waited run() {
    const auto start = boot_now();
    tell_at_ = start + (verbose_ ? 200ms : 1000ms);
    told_ = !verbose_ && ::isatty(STDERR_FILENO) == 0;
    std::jthread waiter{[this] { acquire_and_notify(); }};
    bool over = false;
    do {
      over = wait_for_event();
      take_signals();  // also those that came with the lock
      if (!over && !told_ && boot_now() >= tell_at_) tell();
    } while (!over);
    waiter.join();
    if (problem_ && !signal_) std::rethrow_exception(problem_);
    const auto took = std::chrono::duration_cast<milliseconds>(boot_now() - start);
    return {std::move(lease_), signal_, took};
  }

 private:
  void acquire_and_notify() {
    try {
      lease_ = unless_cancelled(acquire_, limit_, stop_.get_token());
    } catch (const std::exception&) {
      problem_ = std::current_exception();
    }
    notify(done_);
  }

  // Whether the waiting is over.
  bool wait_for_event() {
    pollfd ready[] = {{signals_.fd(), POLLIN, 0}, {done_.get(), POLLIN, 0}};
    const auto pause = to_timespec(std::max<BootTime>(tell_at_ - boot_now(), 0ns));
    return ::ppoll(ready, 2, told_ ? nullptr : &pause, nullptr) > 0 && ready[1].revents != 0;
  }

  void take_signals() {
    while (const auto signal = signals_.take()) {
      if (*signal == SIGTSTP) {
        // Ctrl-Z. The place in the queue is kept, or if that takes too long given to the next.
        signals_.obey(SIGTSTP);
      } else if (is_ending(*signal)) {
        signal_ = signal;
        stop_.request_stop();
      }
      // Others are for the command, which is not there yet.
    }
  }

  void tell() {
    told_ = true;
    try {
      const auto info = inspect_lock(client_, name_);
      if (info.held) note("waiting for {}, held {}", in_quotes(info.name), held_by(info));
    } catch (const Error&) {
      // Only a courtesy: not every user may look at locks.
      if (verbose_) note("waiting for {}", in_quotes(name_));
    }
  }

  Client& client_;
  const std::string& name_;
  const Acquire& acquire_;
  std::optional<milliseconds> limit_;
  bool verbose_;
  Signals& signals_;

  BootTime tell_at_{};
  bool told_ = false;
  std::optional<int> signal_;
  std::stop_source stop_;
  Descriptor done_ = make_event();
  std::optional<Lease> lease_;  // of the waiting thread until it is joined
  std::exception_ptr problem_;  // likewise
};

}  // namespace

Waited wait_for_lock(Client& client, const std::string& name, const Acquire& acquire,
                     std::optional<milliseconds> limit, bool verbose, Signals& signals) {
  return Wait{client, name, acquire, limit, verbose, signals}.run();
}

}  // namespace dlock::cli
