// Group: ask for all, hold all, give all back.
#include "simulation/group.hpp"

#include <utility>

namespace dlock::sim {

void Group::ask(const std::vector<core::AcquireRequest>& wishes, Duration hold) {
  ++round_;
  state_ = State::waiting;
  hold_ = hold;
  open_ = wishes.size();
  complete_ = true;
  waiters_.clear();
  std::vector<std::pair<core::WaiterId, core::AcquireRequest>> asked;
  for (const auto& wish : wishes) {
    asked.emplace_back(waiters_.emplace_back(process_.new_waiter()), wish);
  }
  process_.acquire_all(*this, std::move(asked));
}

void Group::cancel(int round) {
  if (round_ != round || state_ != State::waiting) {
    return;
  }
  for (const auto waiter : std::vector{waiters_}) {
    process_.cancel(waiter);
  }
}

void Group::obtained(std::shared_ptr<core::LeaseRecord> lease) {
  leases_.push_back(std::move(lease));
  answered();
}

void Group::refused(const core::Refusal& refusal) {
  complete_ = false;
  on_refused_(refusal);
  answered();
}

// The rest happens later: the process is still carrying out its engine's actions.
void Group::answered() {
  if (--open_ > 0) {
    return;
  }
  stage_.tally.all_at_once += complete_ ? 1 : 0;
  state_ = State::holding;
  let_go_in(complete_ ? hold_ : Duration{1});
}

void Group::let_go_in(Duration delay) {
  process_.later(delay, [this, round = round_] {
    if (round_ == round && state_ == State::holding) {
      let_go();
    }
  });
}

void Group::let_go() {
  state_ = State::releasing;
  open_ = leases_.size();
  if (open_ == 0) {
    state_ = State::idle;
    then_();
  }
  for (const auto& lease : std::exchange(leases_, {})) {
    process_.release(*this, *lease);
  }
}

void Group::lost(core::LeaseId) {
  if (state_ == State::holding) {
    let_go_in(std::chrono::milliseconds{1});
  }
}

void Group::released(core::LeaseId, core::Released::Kind) {
  if (--open_ == 0) {
    state_ = State::idle;
    process_.later(Duration{1}, then_);
  }
}

}  // namespace dlock::sim
