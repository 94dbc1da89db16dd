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

constexpr core::Permits writer{core::writer_weight, core::shared_capacity};
constexpr core::Permits reader{core::reader_weight, core::shared_capacity};
constexpr core::Permits upgradeable_reader{core::upgradeable_weight, core::shared_capacity};

constexpr std::string_view advice =
    ": a thread that waited for itself would wait for ever; to go from reader to writer use "
    "acquire_upgradeable()";

}  // namespace

SharedMutex::SharedMutex(Client& client, std::string_view name, LockOptions options)
    : state_(std::make_unique<detail::ThreadHolds>(client, name, options)) {}

SharedMutex::~SharedMutex() { detail::destroy(state_); }

// --- by thread ----------------------------------------------------------------------------------

void SharedMutex::lock() {
  state_->refuse_recursion(advice);
  state_->keep(state_->spec->take_or_throw({}, writer));
}

bool SharedMutex::try_lock() { return try_lock_in({}); }

bool SharedMutex::try_lock_in(milliseconds span) {
  state_->refuse_recursion(advice);
  auto lease = state_->spec->take(span, {}, writer);
  if (lease) {
    state_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void SharedMutex::unlock() noexcept { state_->unlock(Mode::exclusive); }

void SharedMutex::lock_shared() {
  state_->refuse_recursion(advice);
  state_->keep(state_->spec->take_or_throw({}, reader), Mode::shared);
}

bool SharedMutex::try_lock_shared() { return try_lock_shared_in({}); }

bool SharedMutex::try_lock_shared_in(milliseconds span) {
  state_->refuse_recursion(advice);
  auto lease = state_->spec->take(span, {}, reader);
  if (lease) {
    state_->keep(std::move(*lease), Mode::shared);
  }
  return lease.has_value();
}

void SharedMutex::unlock_shared() noexcept { state_->unlock(Mode::shared); }

const Lease& SharedMutex::lease() const { return state_->lease(); }

// --- leases -------------------------------------------------------------------------------------

Lease SharedMutex::acquire(std::stop_token stop) {
  state_->refuse_recursion(advice);
  return state_->spec->take_or_throw(stop, writer);
}

std::optional<Lease> SharedMutex::try_acquire() { return try_acquire_in({}, {}); }

std::optional<Lease> SharedMutex::try_acquire_in(milliseconds span, std::stop_token stop) {
  state_->refuse_recursion(advice);
  return state_->spec->take(span, stop, writer);
}

Lease SharedMutex::acquire_shared(std::stop_token stop) {
  state_->refuse_recursion(advice);
  return state_->spec->take_or_throw(stop, reader);
}

std::optional<Lease> SharedMutex::try_acquire_shared() { return try_acquire_shared_in({}, {}); }

std::optional<Lease> SharedMutex::try_acquire_shared_in(milliseconds span, std::stop_token stop) {
  state_->refuse_recursion(advice);
  return state_->spec->take(span, stop, reader);
}

UpgradeableLease SharedMutex::acquire_upgradeable(std::stop_token stop) {
  state_->refuse_recursion(advice);
  return UpgradeableLease{std::make_shared<detail::UpgradeableState>(
      state_->spec, state_->spec->take_or_throw(stop, upgradeable_reader))};
}

std::optional<UpgradeableLease> SharedMutex::try_acquire_upgradeable() {
  return try_acquire_upgradeable_in({}, {});
}

std::optional<UpgradeableLease> SharedMutex::try_acquire_upgradeable_in(milliseconds span,
                                                                        std::stop_token stop) {
  state_->refuse_recursion(advice);
  auto lease = state_->spec->take(span, stop, upgradeable_reader);
  if (!lease) {
    return std::nullopt;
  }
  // In place, as one that is moved is not the calling thread's any more.
  return std::optional<UpgradeableLease>{
      std::in_place, std::make_shared<detail::UpgradeableState>(state_->spec, std::move(*lease))};
}

AsyncAcquire SharedMutex::async_acquire(std::stop_token stop) {
  return state_->spec->async_acquire(writer, std::move(stop));
}

void SharedMutex::async_acquire(AcquireHandler handler, std::stop_token stop) {
  state_->spec->async_acquire(writer, std::move(handler), stop);
}

AsyncAcquire SharedMutex::async_acquire_shared(std::stop_token stop) {
  return state_->spec->async_acquire(reader, std::move(stop));
}

void SharedMutex::async_acquire_shared(AcquireHandler handler, std::stop_token stop) {
  state_->spec->async_acquire(reader, std::move(handler), stop);
}

AsyncTryAcquire SharedMutex::async_try_acquire_in(milliseconds span, std::stop_token stop) {
  return state_->spec->async_try_acquire(writer, span, std::move(stop));
}

void SharedMutex::async_try_acquire_in(milliseconds span, AcquireHandler handler,
                                       std::stop_token stop) {
  state_->spec->async_take(span, stop, writer, std::move(handler));
}

AsyncTryAcquire SharedMutex::async_try_acquire_shared_in(milliseconds span, std::stop_token stop) {
  return state_->spec->async_try_acquire(reader, span, std::move(stop));
}

void SharedMutex::async_try_acquire_shared_in(milliseconds span, AcquireHandler handler,
                                              std::stop_token stop) {
  state_->spec->async_take(span, stop, reader, std::move(handler));
}

Lease SharedMutex::downgrade(Lease&& exclusive) {
  return state_->spec->exchange(std::move(exclusive), reader);
}

// The reader's lease first: while the other half is held nobody can write.
Lease SharedMutex::downgrade(UpgradeableLease&& upgradeable) {
  upgradeable.ensure_held();
  const auto state = upgradeable.state_;
  if (state->lock->key != state_->spec->key || state->lock->client != state_->spec->client) {
    throw_error(errc::usage, "the lease of \"" + upgradeable.name() +
                                 "\" is not one of the lock \"" + state_->spec->name + "\"");
  }
  upgradeable.state_.reset();
  auto lease = state_->spec->exchange(std::move(state->base), reader);
  state->rest.release();
  return lease;
}

const std::string& SharedMutex::name() const noexcept { return state_->spec->name; }

}  // namespace dlock
