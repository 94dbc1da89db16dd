// The Leadership handle.
#include "dlock/leadership.hpp"

#include <utility>

#include "election/leader_value.hpp"
#include "locks/lease_state.hpp"
#include "locks/thread_leases.hpp"

namespace dlock {

Leadership::Leadership() noexcept = default;

Leadership::Leadership(Lease lease, std::unique_ptr<detail::LeaderValue> leader_value) noexcept
    : lease_(std::move(lease)), leader_value_(std::move(leader_value)) {
  detail::bind_to_thread(detail::LeaseState::of(lease_));  // until this is moved
}

Leadership::~Leadership() { give_up(); }

Leadership::Leadership(Leadership&&) noexcept = default;

Leadership& Leadership::operator=(Leadership&& other) noexcept {
  if (this != &other) {
    give_up();
    leader_value_ = std::move(other.leader_value_);
    lease_ = std::move(other.lease_);
  }
  return *this;
}

// The value goes before the lock, or observers could see it beside the next leader's lease.
void Leadership::give_up() noexcept {
  if (leader_value_ && leader_value_->client()->is_forked()) {
    detail::leave_to_parent(std::shared_ptr<detail::LeaderValue>{std::move(leader_value_)});
  }
  leader_value_.reset();
}

std::string Leadership::value() const { return leader_value_ ? leader_value_->value() : ""; }

void Leadership::proclaim(std::string_view value) {
  detail::check_proclaimed(value);
  lease_.ensure_held();
  leader_value_->proclaim(value);
}

void Leadership::resign() {
  if (lease_) leader_value_->client()->check_process();
  give_up();
  lease_.release();
}

}  // namespace dlock
