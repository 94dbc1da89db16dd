// The UpgradeableLease handle: one lease, and a second one while it is the writer.
#include "dlock/upgradeable_lease.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/wire/span_text.hpp"
#include "core/wire/text.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/thread_leases.hpp"
#include "locks/upgradeable_state.hpp"

namespace dlock {
namespace {

using std::chrono::milliseconds;

}  // namespace

UpgradeableLease::UpgradeableLease() noexcept = default;

UpgradeableLease::UpgradeableLease(std::shared_ptr<detail::UpgradeableState> state) noexcept
    : state_(std::move(state)) {}

UpgradeableLease::~UpgradeableLease() {
  if (state_ && state_->lock->client->is_forked()) {
    detail::leave_to_parent(std::move(state_));
  }
}

UpgradeableLease::UpgradeableLease(UpgradeableLease&& other) noexcept
    : state_(std::move(other.state_)),
      past_(std::move(other.past_)),
      past_fence_(std::exchange(other.past_fence_, 0)) {
  unbind();
}

// A moved lease may go to another thread, so its holder is unknown from now on.
void UpgradeableLease::unbind() const noexcept {
  if (state_ && !state_->lock->client->is_forked()) {
    const std::lock_guard lock{state_->mutex};
    detail::LeaseState::unbind(state_->base);
    detail::LeaseState::unbind(state_->rest);
  }
}

UpgradeableLease& UpgradeableLease::operator=(UpgradeableLease&& other) noexcept {
  if (this != &other) {
    const UpgradeableLease former{std::move(state_)};
    state_ = std::move(other.state_);
    past_ = std::move(other.past_);
    past_fence_ = std::exchange(other.past_fence_, 0);
    unbind();
  }
  return *this;
}

void UpgradeableLease::upgrade(std::stop_token stop) {
  if (!state_) {
    detail::LeaseState::refuse_empty(past_);
  }
  upgrade_in(state_->lock->options.wait, std::move(stop));
}

void UpgradeableLease::upgrade_in(std::optional<milliseconds> limit, std::stop_token stop) {
  std::int64_t place = 0;
  if (comes_to_write(limit, stop, place)) {
    return;
  }
  const auto lock = "the lock \"" + core::escaped(name()) + "\"";
  throw TimedOut{*limit > milliseconds::zero()
                     ? "could not upgrade " + lock + " within " + core::span_text(*limit) +
                           "; 'dlock info' shows its readers"
                     : lock + " cannot be upgraded now: it has other readers",
                 state_->lock->ended_wait(place)};
}

bool UpgradeableLease::try_upgrade() { return try_upgrade_in(milliseconds::zero(), {}); }

bool UpgradeableLease::try_upgrade_in(milliseconds span, std::stop_token stop) {
  std::int64_t place = 0;
  return comes_to_write(span, stop, place);
}

// False: `limit` passed, and `place` is that in the queue.
bool UpgradeableLease::comes_to_write(std::optional<milliseconds> limit,
                                      const std::stop_token& stop, std::int64_t& place) {
  ensure_held();
  if (upgraded()) {
    return true;
  }
  // A reader that loses its half must not wait for the other half, before all other waiters.
  std::stop_source ends;
  const auto end = [&ends]() noexcept { ends.request_stop(); };
  const std::stop_callback on_stop{stop, end};
  const std::stop_callback on_loss{state_->base.lost(), end};
  constexpr core::Permits rest{core::upgrade_weight, core::shared_capacity, true};
  std::optional<Lease> lease;
  try {
    lease = state_->lock->take(limit, ends.get_token(), rest, &place);
  } catch (const Cancelled&) {
    state_->base.ensure_held();
    throw;
  }
  state_->base.ensure_held();
  if (!lease) {
    return false;
  }
  const std::lock_guard lock{state_->mutex};
  state_->rest = std::move(*lease);
  if (detail::LeaseState::is_bound(state_->base)) {
    detail::bind_to_thread(detail::LeaseState::of(state_->rest));
  }
  if (state_->lost.stop_possible()) {
    state_->watch(state_->rest);
  }
  return true;
}

void UpgradeableLease::downgrade() {
  ensure_held();
  Lease rest;
  {
    const std::lock_guard lock{state_->mutex};
    if (!state_->rest) {
      throw_error(errc::usage, "the lock \"" + name() + "\" is not upgraded");
    }
    rest = std::move(state_->rest);
  }
  rest.release();
}

bool UpgradeableLease::upgraded() const noexcept {
  if (!state_ || state_->lock->client->is_forked()) {
    return false;
  }
  const std::lock_guard lock{state_->mutex};
  return static_cast<bool>(state_->rest);
}

std::string UpgradeableLease::name() const { return state_ ? state_->lock->name : past_.name(); }

// Only a release or a move changes it, and only one thread at a time may call those.
std::string UpgradeableLease::token() const {
  return state_ ? state_->base.token() : past_.token();
}

std::int64_t UpgradeableLease::fence() const noexcept {
  if (!state_) {
    return past_fence_;
  }
  const std::lock_guard lock{state_->mutex};
  return std::max(state_->base.fence(), state_->rest.fence());
}

std::stop_token UpgradeableLease::lost() const {
  if (!state_) {
    return {};
  }
  if (state_->lock->client->is_forked()) {
    return state_->base.lost();
  }
  const std::lock_guard lock{state_->mutex};
  if (!state_->lost.stop_possible()) {
    state_->lost = std::stop_source{};
    for (const auto* half : {&state_->base, &state_->rest}) {
      if (!*half) continue;
      if (detail::LeaseState::is_lost(*half)) {
        state_->lost.request_stop();  // nobody can listen yet
      } else {
        state_->watch(*half);
      }
    }
  }
  return state_->lost.get_token();
}

milliseconds UpgradeableLease::valid_for() const noexcept {
  if (!state_ || state_->lock->client->is_forked()) {
    return {};
  }
  const std::lock_guard lock{state_->mutex};
  const auto base = state_->base.valid_for();
  return state_->rest ? std::min(base, state_->rest.valid_for()) : base;
}

bool UpgradeableLease::held() const noexcept {
  if (!state_ || state_->lock->client->is_forked()) {
    return false;
  }
  const std::lock_guard lock{state_->mutex};
  return state_->base.held() && (!state_->rest || state_->rest.held());
}

void UpgradeableLease::ensure_held() const {
  if (!state_) {
    detail::LeaseState::refuse_empty(past_);
  }
  state_->lock->client->check_process();
  const std::lock_guard lock{state_->mutex};
  state_->base.ensure_held();
  if (state_->rest) {
    state_->rest.ensure_held();
  }
}

// Releases both halves, also if the first release fails.
void UpgradeableLease::release() {
  if (!state_) {
    return;
  }
  state_->lock->client->check_process();
  const auto state = std::exchange(state_, nullptr);
  std::exception_ptr problem;
  for (auto* half : {&state->rest, &state->base}) {
    try {
      half->release();
    } catch (const Error&) {
      problem = std::current_exception();
    }
  }
  past_fence_ = std::max(state->rest.fence(), state->base.fence());
  past_ = std::move(state->base);
  if (problem) {
    std::rethrow_exception(problem);
  }
}

}  // namespace dlock
