// The Lease handle.
#include "dlock/lease.hpp"

#include <vector>

#include "core/wire/text.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/thread_leases.hpp"
#include "runtime/clock.hpp"
#include "runtime/posix_semaphore.hpp"

namespace dlock {
namespace {

std::string reason(const core::LeaseRecord& lease, std::string_view name) {
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
      // The release found this before a renewal could.
      if (lease.left(runtime::now()) > core::Duration::zero()) {
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
  // Never freed, on purpose, but reachable, so that leak checkers accept it.
  static auto* const kept = new std::vector<std::shared_ptr<const void>>;
  try {
    kept->push_back(state);
  } catch (...) {
    static_cast<void>(new (std::nothrow) std::shared_ptr<const void>{state});
  }
}

const std::shared_ptr<LeaseState>& LeaseState::nothing() {
  static const auto& none = *new std::shared_ptr<LeaseState>;
  return none;
}

void LeaseState::refuse_empty(const Lease& lease) {
  throw_error(errc::usage, lease.state_
                               ? "the lease of \"" + lease.name() + "\" was released already"
                               : "this lease is empty (moved from, or never acquired)");
}

void LeaseState::release_quietly() noexcept {
  try {
    log(*client, client->release(*record));
  } catch (...) {
    // A destructor cannot report it.
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
                  "the server did not answer the release of \"" + std::string{name} +
                      "\"; dlock repeats it in the background until the lease has run out");
  }
}

void LeaseState::log(Session& owner, core::Released::Kind outcome) const {
  if (outcome == core::Released::Kind::not_held) {
    owner.log(LogLevel::error, "released too late: " + reason(*record, name));
  } else if (outcome == core::Released::Kind::unknown) {
    owner.log(LogLevel::warning,
              "the release of \"" + std::string{name} + "\" was not answered; it is repeated");
  }
}

}  // namespace detail

Lease::~Lease() {
  if (*this) {
    if (state_->client->is_forked()) {
      detail::leave_to_parent(std::move(state_));
    } else {
      state_->release_quietly();
    }
  }
}

Lease::operator bool() const noexcept { return state_ && state_->client; }

// A moved lease may go to another thread, so its holder is unknown from now on.
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

std::string Lease::name() const { return state_ ? std::string{state_->name} : std::string{}; }

std::string Lease::token() const { return state_ ? state_->record->token.text() : std::string{}; }

std::int64_t Lease::fence() const noexcept { return state_ ? state_->record->fence.number() : 0; }

std::stop_token Lease::lost() const {
  return *this ? state_->client->lost(*state_->record) : std::stop_token{};
}

bool Lease::wait_lost(std::stop_token stop) const {
  const auto lost = this->lost();
  if (!lost.stop_possible()) {
    detail::LeaseState::refuse_empty(*this);
  }
  runtime::PosixSemaphore ended;
  const auto wake = [&ended]() noexcept { ended.post(); };
  const std::stop_callback on_loss{lost, wake};
  const std::stop_callback on_stop{std::move(stop), wake};
  ended.wait();
  return lost.stop_requested();
}

std::chrono::milliseconds Lease::valid_for() const noexcept {
  if (!*this || state_->client->is_forked()) {
    return {};
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      state_->record->left(runtime::now()));
}

bool Lease::held() const noexcept {
  return *this && !state_->client->is_forked() &&
         state_->record->left(runtime::now()) > core::Duration::zero();
}

void Lease::ensure_held() const {
  if (!*this) {
    detail::LeaseState::refuse_empty(*this);
  }
  state_->client->check_process();
  if (!held()) {
    throw_error(errc::lost, reason(*state_->record, state_->name));
  }
}

void Lease::release() {
  if (!*this) {
    return;
  }
  state_->client->check_process();
  const auto client = state_->let_go();
  state_->check(client->release(*state_->record));
}

}  // namespace dlock
