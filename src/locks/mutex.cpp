// The Mutex and RecursiveMutex handles.
#include "dlock/mutex.hpp"

#include <string_view>
#include <utility>

#include "locks/lock_spec.hpp"
#include "locks/thread_holds.hpp"

namespace dlock {
namespace {

constexpr std::string_view advice = "; use RecursiveMutex to lock it more than once";

}  // namespace

Mutex::Mutex(Client& client, std::string_view name, LockOptions options)
    : state_(std::make_unique<detail::ThreadHolds>(client, name, options)) {}

Mutex::~Mutex() { detail::destroy(state_); }

void Mutex::lock() { lock({}); }

void Mutex::lock(std::stop_token stop) {
  state_->refuse_recursion(advice);
  state_->keep(state_->spec->take_or_throw(stop));
}

bool Mutex::try_lock() { return try_lock_in({}, {}); }

bool Mutex::try_lock_in(std::chrono::milliseconds span, std::stop_token stop) {
  state_->refuse_recursion(advice);
  auto lease = state_->spec->take(span, stop);
  if (lease) {
    state_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void Mutex::unlock() noexcept { state_->unlock(); }

const Lease& Mutex::lease() const { return state_->lease(); }

void Mutex::adopt() { state_->adopt(); }

Lease Mutex::acquire(std::stop_token stop) {
  state_->refuse_recursion(advice);
  return state_->spec->take_or_throw(stop);
}

std::optional<Lease> Mutex::try_acquire() { return try_acquire_in({}, {}); }

std::optional<Lease> Mutex::try_acquire_in(std::chrono::milliseconds span, std::stop_token stop) {
  state_->refuse_recursion(advice);
  return state_->spec->take(span, stop);
}

AsyncAcquire Mutex::async_acquire(std::stop_token stop) {
  return state_->spec->async_acquire({}, std::move(stop));
}

void Mutex::async_acquire(AcquireHandler handler, std::stop_token stop) {
  state_->spec->async_acquire({}, std::move(handler), stop);
}

AsyncTryAcquire Mutex::async_try_acquire_in(std::chrono::milliseconds span, std::stop_token stop) {
  return state_->spec->async_try_acquire({}, span, std::move(stop));
}

void Mutex::async_try_acquire_in(std::chrono::milliseconds span, AcquireHandler handler,
                                 std::stop_token stop) {
  state_->spec->async_take(span, stop, {}, std::move(handler));
}

const std::string& Mutex::name() const noexcept { return state_->spec->name; }

RecursiveMutex::RecursiveMutex(Client& client, std::string_view name, LockOptions options)
    : state_(std::make_unique<detail::ThreadHolds>(client, name, options)) {}

RecursiveMutex::~RecursiveMutex() { detail::destroy(state_); }

void RecursiveMutex::lock() {
  if (!state_->deepen()) {
    state_->keep(state_->spec->take_or_throw({}));
  }
}

bool RecursiveMutex::try_lock() { return try_lock_in({}); }

bool RecursiveMutex::try_lock_in(std::chrono::milliseconds span) {
  if (state_->deepen()) {
    return true;
  }
  auto lease = state_->spec->take(span, {});
  if (lease) {
    state_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void RecursiveMutex::unlock() noexcept { state_->unlock(); }

const Lease& RecursiveMutex::lease() const { return state_->lease(); }

int RecursiveMutex::depth() const noexcept { return state_->depth(); }

const std::string& RecursiveMutex::name() const noexcept { return state_->spec->name; }

}  // namespace dlock
