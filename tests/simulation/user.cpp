// User: think, ask, work, release, again.
#include "simulation/user.hpp"

#include <algorithm>

namespace dlock::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

User::User(Stage& stage, Process& process, int rounds)
    : stage_(stage), process_(process), random_(stage.random.fork()), rounds_(rounds) {}

void User::begin() { next(); }

void User::limit(int rounds) { rounds_ = std::min(rounds_, rounds); }

void User::next() {
  if (rounds_-- <= 0) {
    state_ = State::done;
    return;
  }
  state_ = State::thinking;
  const auto& think = stage_.plan.think;
  process_.later(random_.spread(think.low, think.high), [this] { ask(); });
}

void User::ask() {
  const auto& plan = stage_.plan;
  wish_ = {};
  wish_.key = "lock" + std::to_string(random_.below(static_cast<std::uint64_t>(plan.names)));
  wish_.ttl = random_.pick(plan.ttls);
  wish_.renew = !random_.chance(plan.fixed);
  if (random_.chance(plan.max_hold)) {
    wish_.max_hold = random_.spread(milliseconds{10}, seconds{5});
  }
  wish_.wait = !random_.chance(plan.tries);
  if (wish_.wait && random_.chance(plan.deadlines)) {
    wish_.deadline = process_.now() + random_.spread(milliseconds{1}, seconds{8});
  }
  state_ = State::waiting;
  asked_ = stage_.now();
  waiter_ = process_.new_waiter();
  const auto waiter = waiter_;
  process_.acquire(*this, waiter, wish_);
  if (random_.chance(plan.cancels)) {
    process_.later(random_.spread(microseconds{10}, seconds{4}), [this, waiter] {
      if (state_ == State::waiting && waiter_ == waiter) {
        process_.cancel(waiter);
      }
    });
  }
}

void User::obtained(std::shared_ptr<core::LeaseRecord> lease) {
  state_ = State::holding;
  lease_ = std::move(lease);
  const auto& plan = stage_.plan;
  const bool overstays = random_.chance(plan.overstays);
  const auto hold = overstays ? 3 * wish_.ttl : random_.between(plan.hold.low, plan.hold.high);
  process_.later(hold, [this, id = lease_->id] { let_go(id); });
}

void User::refused(const core::Refusal& refusal) {
  const bool failed = refusal.kind == core::Refusal::Kind::failed;
  if (failed && !may_fail_) {
    Referee::fail("failure", describe() + " failed without a reason: " + refusal.what);
  }
  if ((refusal.kind == core::Refusal::Kind::timed_out && !wish_.deadline) ||
      (refusal.kind == core::Refusal::Kind::busy && wish_.wait)) {
    Referee::fail("failure", describe() + " got an answer it did not ask for");
  }
  next();
}

void User::lost(core::LeaseId lease) {
  process_.later(random_.spread(microseconds{1}, milliseconds{2}),
                 [this, lease] { let_go(lease); });
}

void User::let_go(core::LeaseId lease) {
  if (state_ == State::holding && lease_->id == lease) {
    state_ = State::releasing;
    process_.release(*this, *lease_);
  }
}

void User::released(core::LeaseId, core::Released::Kind) {
  lease_.reset();
  next();
}

std::string User::describe() const {
  static constexpr const char* states[]{"thinks", "waits", "holds", "releases", "is done"};
  return "p" + std::to_string(process_.id()) + ", waiter " + std::to_string(waiter_) + ", " +
         states[static_cast<int>(state_)] + " (asked for " + wish_.key + " at " +
         std::to_string(asked_.count() / 1000) + " us)";
}

}  // namespace dlock::sim
