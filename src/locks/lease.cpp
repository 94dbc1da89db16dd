// The Lease handle.
#include "dlock/lease.hpp"

#include <vector>

#include "core/wire/text.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/thread_leases.hpp"
#include "runtime/clock.hpp"

namespace dlock {
namespace {

std::string reason(const core::LeaseRecord& lease, const std::string& name) {
  const auto lock = detail::label(name, lease.fence.number());
  switch (lease.loss.load()) {
    case core::Loss::gone:
      return lock +
             " was lost: its key is gone. It was deleted or evicted, its expiry was cut "
             "short, or the server lost its data";
    case core::Loss::taken:
      return lock + " was taken over: its key was overwritten by another client";
    case core::Loss::broken:
      return lock + " was taken away with `dlock break`";
    case core::Loss::max_hold:
      return lock + " was held for as long as max_hold allows";
    case core::Loss::time_up:
      return lock + " ran out: its time was up, and it is not renewed";
    case core::Loss::none:
      // The release found it so, before a renewal could.
      if (lease.left(detail::now()) > core::Duration::zero()) {
        return lock + " was lost: its key is gone, or was overwritten by another client";
      }
      break;
    case core::Loss::expired:
      break;
  }
  return lock + " ran out: the server did not confirm a renewal in time";
}

}  // namespace

namespace detail {

std::string label(std::string_view name, std::int64_t fence) {
  return "the lock \"" + core::escaped(name) + "\" (fence " + std::to_string(fence) + ")";
}

void leave_to_parent(std::shared_ptr<const void> state) noexcept {
  // Never freed, on purpose, and still reachable.
  static auto* const kept = new std::vector<std::shared_ptr<const void>>;
  try {
    kept->push_back(state);
  } catch (...) {
    static_cast<void>(new (std::nothrow) std::shared_ptr<const void>{state});
  }
}

void LeaseState::release_quietly() noexcept {
  try {
    log(client->release(*record));
  } catch (...) {
    // A destructor has nobody to tell.
    return;
  }
}

void LeaseState::check(core::Released::Kind outcome) const {
  switch (outcome) {
    case core::Released::Kind::released:
      return;
    case core::Released::Kind::not_held:
      throw_error(errc::lost, reason(*record, name));
    case core::Released::Kind::unknown:
      throw_error(errc::unreachable,
                  "the server did not answer the release of \"" + name +
                      "\"; it is repeated in the background until the lease has run out");
  }
}

void LeaseState::log(core::Released::Kind outcome) const {
  if (outcome == core::Released::Kind::not_held) {
    client->log(LogLevel::error, "released too late: " + reason(*record, name));
  } else if (outcome == core::Released::Kind::unknown) {
    client->log(LogLevel::warning,
                "the release of \"" + name + "\" was not answered; it is repeated");
  }
}

}  // namespace detail

Lease::~Lease() {
  if (state_) {
    if (state_->client->is_forked()) {
      detail::leave_to_parent(std::move(state_));
    } else {
      state_->release_quietly();
    }
  }
}

// Into other hands, it may be: whose thread holds it is not known any more.
Lease::Lease(Lease&& other) noexcept : state_(std::move(other.state_)) {
  detail::LeaseState::unbind(*this);
}

void Lease::bind() const { detail::lock_in_thread(state_, this); }

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    const Lease former{std::move(state_)};
    state_ = std::move(other.state_);
    detail::LeaseState::unbind(*this);
  }
  return *this;
}

const std::string& Lease::name() const noexcept {
  return state_ ? state_->name : detail::no_name();
}

const std::string& Lease::token() const noexcept {
  return state_ ? state_->record->token : detail::no_name();
}

std::int64_t Lease::fence() const noexcept { return state_ ? state_->record->fence.number() : 0; }

std::stop_token Lease::lost() const {
  return state_ ? state_->client->lost(*state_->record) : std::stop_token{};
}

std::chrono::milliseconds Lease::valid_for() const noexcept {
  if (!state_ || state_->client->is_forked()) {
    return {};
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(state_->record->left(detail::now()));
}

bool Lease::held() const noexcept {
  return state_ && !state_->client->is_forked() &&
         state_->record->left(detail::now()) > core::Duration::zero();
}

void Lease::ensure_held() const {
  if (!state_) {
    throw_error(errc::usage,
                "this lease holds nothing: it was released, moved from, or never held");
  }
  state_->client->check_process();
  if (!held()) {
    throw_error(errc::lost, reason(*state_->record, state_->name));
  }
}

void Lease::release() {
  if (!state_) {
    return;
  }
  state_->client->check_process();
  const auto state = std::exchange(state_, nullptr);
  state->check(state->client->release(*state->record));
}

}  // namespace dlock
