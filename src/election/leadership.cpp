// The Leadership handle.
#include "dlock/leadership.hpp"

#include <utility>

#include "election/proclamation.hpp"
#include "locks/lease_state.hpp"
#include "locks/thread_leases.hpp"

namespace dlock {

Leadership::Leadership() noexcept = default;

Leadership::Leadership(Lease lease, std::unique_ptr<detail::Proclamation> proclamation) noexcept
    : lease_(std::move(lease)), proclamation_(std::move(proclamation)) {
  detail::bind_to_thread(detail::LeaseState::of(lease_));  // until this is moved
}

Leadership::~Leadership() { give_up(); }

Leadership::Leadership(Leadership&&) noexcept = default;

Leadership& Leadership::operator=(Leadership&& other) noexcept {
  if (this != &other) {
    give_up();
    proclamation_ = std::move(other.proclamation_);
    lease_ = std::move(other.lease_);
  }
  return *this;
}

// The value goes before the lock, or observers could see it beside the next leader's lease.
void Leadership::give_up() noexcept {
  if (proclamation_ && proclamation_->client()->is_forked()) {
    detail::leave_to_parent(std::shared_ptr<detail::Proclamation>{std::move(proclamation_)});
  }
  proclamation_.reset();
}

std::string Leadership::value() const { return proclamation_ ? proclamation_->value() : ""; }

void Leadership::proclaim(std::string_view value) {
  detail::check_proclaimed(value);
  lease_.ensure_held();
  proclamation_->proclaim(value);
}

void Leadership::resign() {
  if (lease_) proclamation_->client()->check_process();
  give_up();
  lease_.release();
}

}  // namespace dlock
