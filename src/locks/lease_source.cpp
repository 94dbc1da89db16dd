// The LeaseSource handle: a lock, and a number of its permits.
#include "dlock/lease_source.hpp"

#include <utility>

#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"

namespace dlock {

LeaseSource::LeaseSource(std::shared_ptr<const detail::LockSpec> spec, std::int64_t weight) noexcept
    : spec_(std::move(spec)), weight_(weight) {}

LeaseSource::LeaseSource(const LeaseSource&) noexcept = default;

LeaseSource& LeaseSource::operator=(const LeaseSource& other) noexcept {
  LeaseSource copy{other};
  std::swap(spec_, copy.spec_);
  std::swap(weight_, copy.weight_);
  return *this;
}

LeaseSource::~LeaseSource() { detail::destroy(spec_); }

Lease LeaseSource::acquire(std::stop_token stop) const {
  return spec_->take_or_throw(stop, spec_->permits(weight_));
}

Lease LeaseSource::acquire_in(std::chrono::milliseconds span, std::stop_token stop) const {
  return spec_->take_or_throw(span, stop, spec_->permits(weight_));
}

std::optional<Lease> LeaseSource::try_acquire() const { return try_acquire_in({}, {}); }

std::optional<Lease> LeaseSource::try_acquire_in(std::chrono::milliseconds span,
                                                 std::stop_token stop) const {
  return spec_->take(span, stop, spec_->permits(weight_));
}

AsyncAcquire LeaseSource::async_acquire(std::stop_token stop) const {
  return spec_->async_acquire(spec_->permits(weight_), std::move(stop));
}

void LeaseSource::async_acquire(AcquireHandler handler, std::stop_token stop) const {
  spec_->async_acquire(spec_->permits(weight_), std::move(handler), stop);
}

AsyncTryAcquire LeaseSource::async_try_acquire_in(std::chrono::milliseconds span,
                                                  std::stop_token stop) const {
  return spec_->async_try_acquire(spec_->permits(weight_), span, std::move(stop));
}

void LeaseSource::async_try_acquire_in(std::chrono::milliseconds span, AcquireHandler handler,
                                       std::stop_token stop) const {
  spec_->async_take(span, stop, spec_->permits(weight_), std::move(handler));
}

const std::string& LeaseSource::name() const noexcept { return spec_->name; }

}  // namespace dlock
