// The SharedMutex handle: readers and writers are weights of permits.
#include "dlock/shared_mutex.hpp"

#include <string_view>
#include <utility>

#include "core/wire/permits.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/thread_holds.hpp"
#include "locks/upgradeable_state.hpp"

namespace dlock {
namespace {

using detail::Mode;
using std::chrono::milliseconds;

constexpr core::Permits writing{core::writer_weight, core::shared_capacity};
constexpr core::Permits reading{core::reader_weight, core::shared_capacity};
constexpr core::Permits upgradeable_reading{core::upgradeable_weight, core::shared_capacity};

}  // namespace

SharedMutex::SharedMutex(Client& client, std::string_view name, LockOptions options)
    : LeaseSource(std::make_shared<detail::LockSpec>(client, name, options, core::shared_capacity),
                  core::writer_weight),
      holds_(std::make_unique<detail::ThreadHolds>(spec())) {}

SharedMutex::~SharedMutex() { detail::destroy(holds_); }

LeaseSource SharedMutex::writer() const { return *this; }

LeaseSource SharedMutex::reader() const { return {spec(), core::reader_weight}; }

// --- by thread ----------------------------------------------------------------------------------

void SharedMutex::lock() {
  holds_->refuse_recursion(true);
  holds_->keep(spec()->take_or_throw({}, writing));
}

bool SharedMutex::try_lock() { return try_lock_in({}); }

bool SharedMutex::try_lock_in(milliseconds span) {
  holds_->refuse_recursion(true);
  auto lease = spec()->take(span, {}, writing);
  if (lease) {
    holds_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void SharedMutex::unlock() noexcept { holds_->unlock(Mode::exclusive); }

void SharedMutex::lock_shared() {
  holds_->refuse_recursion(true);
  holds_->keep(spec()->take_or_throw({}, reading), Mode::shared);
}

bool SharedMutex::try_lock_shared() { return try_lock_shared_in({}); }

bool SharedMutex::try_lock_shared_in(milliseconds span) {
  holds_->refuse_recursion(true);
  auto lease = spec()->take(span, {}, reading);
  if (lease) {
    holds_->keep(std::move(*lease), Mode::shared);
  }
  return lease.has_value();
}

void SharedMutex::unlock_shared() noexcept { holds_->unlock(Mode::shared); }

const Lease& SharedMutex::lease() const { return holds_->lease(); }

// --- upgrades -----------------------------------------------------------------------------------

UpgradeableLease SharedMutex::acquire_upgradeable(std::stop_token stop) {
  return acquire_upgradeable_in(spec()->options.wait, stop);
}

UpgradeableLease SharedMutex::acquire_upgradeable_in(std::optional<milliseconds> limit,
                                                     const std::stop_token& stop) {
  return UpgradeableLease{std::make_shared<detail::UpgradeableState>(
      spec(), spec()->take_or_throw(limit, stop, upgradeable_reading))};
}

std::optional<UpgradeableLease> SharedMutex::try_acquire_upgradeable() {
  return try_acquire_upgradeable_in({}, {});
}

std::optional<UpgradeableLease> SharedMutex::try_acquire_upgradeable_in(milliseconds span,
                                                                        std::stop_token stop) {
  auto lease = spec()->take(span, stop, upgradeable_reading);
  if (!lease) {
    return std::nullopt;
  }
  // Built in place: a moved lease no longer counts as the calling thread's.
  return std::optional<UpgradeableLease>{
      std::in_place, std::make_shared<detail::UpgradeableState>(spec(), std::move(*lease))};
}

Lease SharedMutex::downgrade(Lease&& exclusive) {
  return spec()->exchange(std::move(exclusive), reading);
}

// Releases the reader's half first: the other half keeps writers out until then.
Lease SharedMutex::downgrade(UpgradeableLease&& upgradeable) {
  upgradeable.ensure_held();
  const auto state = upgradeable.state_;
  if (state->lock->key != spec()->key || state->lock->client != spec()->client) {
    throw_error(errc::usage, "the lease of \"" + upgradeable.name() +
                                 "\" is not one of the lock \"" + name() + "\"");
  }
  upgradeable.state_.reset();
  auto lease = spec()->exchange(std::move(state->base), reading);
  state->rest.release();
  return lease;
}

}  // namespace dlock
