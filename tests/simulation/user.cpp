// User: think, ask, work, release, again.
#include "simulation/user.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace dlock::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

User::User(Stage& stage, Process& process, Kind kind, int rounds)
    : stage_(stage),
      process_(process),
      random_(stage.random.fork()),
      kind_(kind),
      rounds_(kind == Kind::constant_reader ? std::numeric_limits<int>::max() : rounds),
      group_(stage, process, [this](const auto& refusal) { check(refusal); }, [this] { next(); }) {}

void User::begin() { next(); }

void User::limit(int rounds) { rounds_ = std::min(rounds_, rounds); }

void User::next() {
  if (rounds_-- <= 0) {
    state_ = State::done;
    return;
  }
  state_ = State::thinking;
  const auto think = kind_ == Kind::constant_reader ? Span{microseconds{100}, milliseconds{20}}
                                                    : stage_.plan.think;
  process_.later(random_.spread(think.low, think.high), [this] { ask(); });
}

void User::ask() {
  const auto& plan = stage_.plan;
  wish_ = {};
  wish_.key = "lock" + std::to_string(random_.below(static_cast<std::uint64_t>(plan.names)));
  wish_.ttl = random_.pick(plan.ttls);
  wish_.renew = !random_.chance(plan.fixed);
  if (kind_ == Kind::constant_reader) {
    wish_.key = std::string{wish_.key.text()}.replace(0, 4, "shared");
    wish_.permits = core::Permits{core::reader_weight, core::shared_capacity};
  } else if (random_.chance(plan.several)) {
    ask_for_several();
    return;
  } else {
    if (random_.chance(plan.permits)) {
      choose_permits();
    }
    choose_limits();
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

void User::ask_for_several() {
  const auto& plan = stage_.plan;
  wish_.wait = false;
  wish_.deadline = soon();
  std::vector<core::AcquireRequest> wishes;
  const auto first = random_.below(static_cast<std::uint64_t>(plan.names));
  const auto count = random_.number(2, plan.names);
  for (int i = 0; i < count; ++i) {
    wish_.key = "lock" + std::to_string((first + i) % plan.names);
    wishes.push_back(wish_);
  }
  state_ = State::waiting;
  asked_ = stage_.now();
  group_.ask(wishes, random_.between(plan.hold.low, plan.hold.high));
  if (random_.chance(plan.cancels)) {
    process_.later(random_.spread(microseconds{10}, milliseconds{100}),
                   [this, round = group_.round()] { group_.cancel(round); });
  }
}

void User::choose_limits() {
  const auto& plan = stage_.plan;
  if (random_.chance(plan.max_hold)) {
    wish_.max_hold = random_.spread(milliseconds{10}, seconds{5});
  }
  wish_.wait = !random_.chance(plan.tries);
  if (wish_.wait && random_.chance(plan.deadlines)) {
    wish_.deadline = process_.now() + random_.spread(milliseconds{1}, seconds{8});
  }
}

// Semaphores and reader-writer locks have names of their own.
void User::choose_permits() {
  const auto& plan = stage_.plan;
  if (!plan.only_shared && random_.chance(0.5)) {
    wish_.key = std::string{wish_.key.text()}.replace(0, 4, "gpu");
    wish_.permits = core::Permits{random_.number(1, plan.capacity), plan.capacity};
  } else {
    wish_.key = std::string{wish_.key.text()}.replace(0, 4, "shared");
    const auto weight = random_.chance(0.3)                        ? core::writer_weight
                        : !plan.only_shared && random_.chance(0.3) ? core::upgradeable_weight
                                                                   : core::reader_weight;
    wish_.permits = core::Permits{weight, core::shared_capacity};
  }
}

void User::obtained(std::shared_ptr<core::LeaseRecord> lease) {
  state_ = State::holding;
  lease_ = std::move(lease);
  const auto& plan = stage_.plan;
  const auto hold = choose_hold();
  const auto weight = wish_.permits ? wish_.permits->weight : 0;
  if (weight == core::upgradeable_weight && random_.chance(0.6)) {
    process_.later(hold / 2, [this, id = lease_->id] {
      if (state_ == State::holding && lease_->id == id) {
        upgrade();
      }
    });
  } else if (!base_ && weight > 1 && !plan.only_shared && random_.chance(0.3)) {
    process_.later(hold / 2, [this, id = lease_->id] {
      if (state_ == State::holding && lease_->id == id) {
        downgrade();
      }
    });
  }
  if (!wish_.permits && random_.chance(plan.kept)) {
    ++stage_.tally.kept;
    lease_->hold_off_until = process_.now() + random_.spread(milliseconds{1}, max_hold_off);
  }
  process_.later(hold, [this, id = lease_->id] { let_go(id); });
}

Duration User::choose_hold() {
  const auto& plan = stage_.plan;
  if (kind_ == Kind::constant_reader) {
    return random_.between(microseconds{100}, milliseconds{200});
  }
  const bool overstays = random_.chance(plan.overstays);
  return overstays ? 3 * wish_.ttl : random_.between(plan.hold.low, plan.hold.high);
}

// The latest end of a call that does not wait.
core::Instant User::soon() const { return process_.now() + seconds{6}; }

// Like the library, it stops waiting for the upgrade when it loses the base.
void User::upgrade() {
  ++stage_.tally.upgraded;
  base_ = std::exchange(lease_, nullptr);
  wish_.permits = core::Permits{core::upgrade_weight, core::shared_capacity, true};
  wish_.deadline.reset();
  wish_.wait = random_.chance(0.9);
  if (!wish_.wait) {
    wish_.deadline = soon();
  }
  state_ = State::waiting;
  asked_ = stage_.now();
  waiter_ = process_.new_waiter();
  process_.acquire(*this, waiter_, wish_);
}

void User::downgrade() {
  ++stage_.tally.downgraded;
  const auto former = std::exchange(lease_, nullptr);
  wish_.permits->weight = 1;
  wish_.deadline = soon();
  wish_.wait = false;
  state_ = State::waiting;
  asked_ = stage_.now();
  waiter_ = process_.new_waiter();
  process_.exchange(*this, waiter_, wish_, *former);
}

void User::check(const core::Refusal& refusal) const {
  const bool failed = refusal.kind == core::Refusal::Kind::failed;
  // A short wait may end before a client that had no use for a connection has a new one.
  const bool was_short = wish_.deadline && stage_.now() - asked_ < std::chrono::seconds{5};
  if (failed && !may_fail_ && !(was_short && refusal.code == errc::unreachable)) {
    fail("failure", describe() + " failed without a reason: " + refusal.what);
  }
  if ((refusal.kind == core::Refusal::Kind::timed_out && !wish_.deadline) ||
      (refusal.kind == core::Refusal::Kind::busy && wish_.wait)) {
    fail("failure", describe() + " got an answer it did not ask for");
  }
}

void User::refused(const core::Refusal& refusal) {
  check(refusal);
  give_back();
}

void User::lost(core::LeaseId lease) {
  process_.later(random_.spread(microseconds{1}, milliseconds{2}),
                 [this, lease] { let_go(lease); });
}

void User::let_go(core::LeaseId lease) {
  if (state_ == State::holding && (lease_->id == lease || (base_ && base_->id == lease))) {
    state_ = State::releasing;
    process_.release(*this, *lease_);
  } else if (state_ == State::waiting && base_ && base_->id == lease) {
    process_.cancel(waiter_);
  }
}

// Releases the base, which it still holds after the other lease has gone.
void User::give_back() {
  if (base_) {
    // Later: the process is still carrying out its engine's actions.
    state_ = State::releasing;
    lease_ = std::exchange(base_, nullptr);
    process_.later(microseconds{1}, [this] { process_.release(*this, *lease_); });
  } else {
    next();
  }
}

void User::released(core::LeaseId, core::Released::Kind) {
  lease_.reset();
  give_back();
}

std::string User::describe() const {
  static constexpr const char* states[]{"thinks", "waits", "holds", "releases", "is done"};
  return "p" + std::to_string(process_.id()) + ", waiter " + std::to_string(waiter_) + ", " +
         states[static_cast<int>(state_)] + " (asked for " + std::string{wish_.key.text()} +
         " at " + std::to_string(asked_.count() / 1000) + " us)";
}

}  // namespace dlock::sim
