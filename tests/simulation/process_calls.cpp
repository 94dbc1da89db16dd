// Process: the calls of its threads, and their answers.
#include <utility>

#include "simulation/process.hpp"

namespace dlock::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;

void Process::ask(Caller& caller, core::WaiterId waiter, const core::AcquireRequest& wish) {
  waiters_[waiter] = {&caller, now(), wish.deadline,
                      network_.referee().newest(std::string{wish.key.text()})};
}

void Process::acquire(Caller& caller, core::WaiterId waiter, core::AcquireRequest wish) {
  note(waiter, "asks", [&] {
    return "waiter " + std::to_string(waiter) + " asks for " + std::string{wish.key.text()} +
           ", ttl " + std::to_string(wish.ttl / milliseconds{1}) + " ms" +
           (wish.renew ? "" : ", fixed") + (wish.wait ? "" : ", try") +
           (wish.max_hold ? ", max_hold" : "");
  });
  ask(caller, waiter, wish);
  router_.acquire(now(), waiter, std::move(wish));
  perform();
}

void Process::acquire_all(Caller& caller,
                          std::vector<std::pair<core::WaiterId, core::AcquireRequest>> wishes) {
  for (const auto& [waiter, wish] : wishes) {
    note(waiter, "asks for all", [&, id = waiter, key = wish.key] {
      return "waiter " + std::to_string(id) + " asks for " + std::string{key.text()} +
             ", with others";
    });
    ask(caller, waiter, wish);
  }
  router_.acquire_all(now(), std::move(wishes));
  perform();
}

void Process::exchange(Caller& caller, core::WaiterId waiter, core::AcquireRequest wish,
                       const core::LeaseRecord& lease) {
  note(waiter, "exchanges", [&] {
    return "waiter " + std::to_string(waiter) + " wants the place of lease " +
           std::to_string(lease.id);
  });
  holders_.erase(lease.id);
  network_.referee().ended(lease.id, id_, std::string{lease.key.text()});
  ask(caller, waiter, wish);
  router_.exchange(now(), waiter, std::move(wish), lease);
  perform();
}

void Process::cancel(core::WaiterId waiter) {
  note(waiter, "cancels", [&] { return "cancels waiter " + std::to_string(waiter); });
  router_.cancel(now(), 0, waiter);
  perform();
  if (waiters_.contains(waiter)) {
    fail("answers", "a cancelled wait was not answered at once");
  }
}

void Process::release(Caller& caller, const core::LeaseRecord& lease) {
  note(lease.id, "releases", [&] { return "releases lease " + std::to_string(lease.id); });
  holders_.erase(lease.id);
  network_.referee().ended(lease.id, id_, std::string{lease.key.text()});
  releases_[lease.id] = {&caller, now(), std::nullopt, 0};
  if (const auto left = lease.hold_off_until.load() - now(); left > Duration::zero()) {
    // The release may be under way for a while, and the clocks differ a little.
    held_off_until_ = std::max(held_off_until_, stage_.now() + left + request_timeout);
  }
  router_.release(now(), lease);
  perform();
}

void Process::later(Duration delay, std::function<void()> what) {
  stage_.agenda.in(delay, [this, what = std::move(what)] {
    if (alive_ && stopped()) {
      waiting_.push_back(what);
    } else if (alive_) {
      run(what);
    }
  });
}

void Process::finish() {
  finishing_ = true;
  router_.close(now());
  perform();
}

void Process::carry_out(ServerId /*server*/, const core::Obtained& action) {
  note(action.waiter, "obtained", [&] {
    return "waiter " + std::to_string(action.waiter) + " has lease " +
           std::to_string(action.lease->id) + ", fence " +
           std::to_string(action.lease->fence.counter) + "+" +
           std::to_string(action.lease->fence.sequence) + ", for " +
           std::to_string(action.lease->left(now()).count() / 1000) + " us";
  });
  ++stage_.tally.acquired;
  stage_.tally.passed += action.lease->fence.sequence > 0 ? 1 : 0;
  const auto wait = answered(action.waiter);
  holders_[action.lease->id] = {wait.caller, action.lease};
  network_.referee().obtained(id_, clock_, action.lease, wait.newest_fence);
  wait.caller->obtained(action.lease);
}

void Process::carry_out(ServerId /*server*/, const core::Refusal& action) {
  note(action.waiter, "refused", [&] {
    static constexpr const char* kinds[]{"busy", "timed out", "cancelled", "failed"};
    return "waiter " + std::to_string(action.waiter) +
           " is refused: " + kinds[static_cast<int>(action.kind)] + ' ' + action.what;
  });
  ++stage_.tally.refused;
  answered(action.waiter).caller->refused(action);
}

// The wait that ended; each ends only once, and within its time limit.
Process::Outstanding Process::answered(core::WaiterId waiter) {
  const auto found = waiters_.find(waiter);
  if (found == waiters_.end()) {
    fail("answers", "waiter " + std::to_string(waiter) + " was answered twice");
  }
  const auto outstanding = found->second;
  waiters_.erase(found);
  if (outstanding.by && !ever_stopped_ &&
      now() > *outstanding.by + 2 * stage_.plan.lateness.high + milliseconds{1}) {
    fail("answers", "waiter " + std::to_string(waiter) + " was answered too late");
  }
  return outstanding;
}

void Process::carry_out(ServerId /*server*/, const core::Released& action) {
  note(action.lease, "released", [&] {
    static constexpr const char* kinds[]{"released", "not held", "unknown"};
    return "lease " + std::to_string(action.lease) +
           " is released: " + kinds[static_cast<int>(action.kind)];
  });
  const auto found = releases_.find(action.lease);
  if (found == releases_.end()) {
    fail("answers", "lease " + std::to_string(action.lease) + " was released twice");
  }
  const auto release = found->second;
  releases_.erase(found);
  if (!ever_stopped_ &&
      now() > release.asked + request_timeout + 2 * stage_.plan.lateness.high + milliseconds{1}) {
    fail("answers", "a release was answered too late");
  }
  release.caller->released(action.lease, action.kind);
}

void Process::carry_out(ServerId /*server*/, const core::Lost& action) {
  note(action.lease->id, "lost", [&] {
    return "lease " + std::to_string(action.lease->id) + " is lost, reason " +
           std::to_string(static_cast<int>(action.lease->loss.load()));
  });
  ++stage_.tally.lost;
  network_.referee().lost(id_, *action.lease);
  const auto why = action.lease->loss.load();
  if (stage_.plan.fault_time == Duration::zero() && why != core::Loss::max_hold &&
      why != core::Loss::time_up) {
    fail("loss", "p" + std::to_string(id_) + " loses a lease without a fault");
  }
  if (!ever_stopped_ && stage_.plan.lateness.high == Duration::zero() &&
      now() > action.lease->end() + microseconds{1}) {
    fail("loss", "p" + std::to_string(id_) + " learns of the end of a lease too late");
  }
  if (const auto found = holders_.find(action.lease->id); found != holders_.end()) {
    found->second.caller->lost(action.lease->id);
  }
}

}  // namespace dlock::sim
