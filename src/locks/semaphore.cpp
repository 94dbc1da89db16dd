// The Semaphore handle.
#include "dlock/semaphore.hpp"

#include <array>
#include <atomic>
#include <utility>

#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "script/scripts.hpp"
#include "store/side_channel.hpp"

namespace dlock {
namespace detail {

struct SemaphoreState {
  std::shared_ptr<const LockSpec> lock;
  std::atomic<std::int64_t> permits;

  [[nodiscard]] core::Permits wanted(std::int64_t weight) const {
    const auto all = permits.load();
    if (weight < 1 || weight > all) {
      throw_error(errc::usage, "cannot acquire " + std::to_string(weight) + " permits of \"" +
                                   lock->name + "\": a weight is from 1 to " + std::to_string(all) +
                                   ", the number of permits");
    }
    return {weight, all};
  }
};

namespace {

std::int64_t checked(std::int64_t permits) {
  if (permits < 1 || permits > core::max_permits) {
    throw_error(errc::usage, "a semaphore has from 1 to " + std::to_string(core::max_permits) +
                                 " permits, not " + std::to_string(permits));
  }
  return permits;
}

}  // namespace
}  // namespace detail

Semaphore::Semaphore(Client& client, std::string_view name, SemaphoreOptions options)
    : state_(std::make_unique<detail::SemaphoreState>(
          std::make_shared<detail::LockSpec>(
              client, name,
              LockOptions{options.ttl, options.wait, options.renew, options.max_hold,
                          options.min_replicas, options.replication_timeout}),
          detail::checked(options.permits))) {}

Semaphore::~Semaphore() {
  if (state_ && state_->lock->client->is_forked()) {
    detail::leave_to_parent(std::shared_ptr<detail::SemaphoreState>{std::move(state_)});
  }
}

Lease Semaphore::acquire(std::int64_t weight, std::stop_token stop) {
  return state_->lock->take_or_throw(stop, state_->wanted(weight));
}

std::optional<Lease> Semaphore::try_acquire(std::int64_t weight) {
  return try_acquire_in({}, weight, {});
}

std::optional<Lease> Semaphore::try_acquire_in(std::chrono::milliseconds span, std::int64_t weight,
                                               std::stop_token stop) {
  return state_->lock->take(span, stop, state_->wanted(weight));
}

AsyncAcquire Semaphore::async_acquire(std::int64_t weight, std::stop_token stop) {
  return state_->lock->async_acquire(state_->wanted(weight), std::move(stop));
}

void Semaphore::async_acquire(std::int64_t weight, AcquireHandler handler, std::stop_token stop) {
  state_->lock->async_acquire(state_->wanted(weight), std::move(handler), stop);
}

AsyncTryAcquire Semaphore::async_try_acquire_in(std::chrono::milliseconds span, std::int64_t weight,
                                                std::stop_token stop) {
  return state_->lock->async_try_acquire(state_->wanted(weight), span, std::move(stop));
}

void Semaphore::async_try_acquire_in(std::chrono::milliseconds span, std::int64_t weight,
                                     AcquireHandler handler, std::stop_token stop) {
  state_->lock->async_take(span, stop, state_->wanted(weight), std::move(handler));
}

void Semaphore::set_permits(std::int64_t permits) {
  if (state_->lock->client->is_quorum()) {
    throw_error(errc::usage, "a semaphore is not supported with redis+quorum");
  }
  const auto text = std::to_string(detail::checked(permits));
  const auto& config = state_->lock->client->config();
  const auto names = core::lock_keys(state_->lock->key);
  const std::array keys{names.lock, names.queue, names.seen, config.fence_key_for(names.lock)};
  const std::array<std::string_view, 1> arguments{text};
  detail::SideChannel store{config};
  const auto reply = store.run(script::permits_resize, script::permits_resize_sha, keys, arguments);
  if (reply.text == "shared") {
    throw_error(errc::usage, core::disagreement(names.lock, permits, core::shared_capacity));
  }
  state_->permits = permits;
}

std::int64_t Semaphore::permits() const noexcept { return state_->permits; }

const std::string& Semaphore::name() const noexcept { return state_->lock->name; }

}  // namespace dlock
