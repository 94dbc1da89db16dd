// The Mutex and RecursiveMutex handles.
#include "dlock/mutex.hpp"

#include <string_view>
#include <utility>

#include "locks/lock_spec.hpp"
#include "locks/thread_holds.hpp"

namespace dlock {

Mutex::Mutex(Client& client, std::string_view name, LockOptions options)
    : LeaseSource(std::make_shared<detail::LockSpec>(client, name, options), 0),
      holds_(std::make_unique<detail::ThreadHolds>(spec())) {}

Mutex::~Mutex() { detail::destroy(holds_); }

void Mutex::lock() { lock({}); }

void Mutex::lock(std::stop_token stop) {
  holds_->refuse_recursion();
  holds_->keep(spec()->take_or_throw(stop));
}

bool Mutex::try_lock() { return try_lock_in({}, {}); }

bool Mutex::try_lock_in(std::chrono::milliseconds span, std::stop_token stop) {
  holds_->refuse_recursion();
  auto lease = spec()->take(span, stop);
  if (lease) {
    holds_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void Mutex::unlock() noexcept { holds_->unlock(); }

const Lease& Mutex::lease() const { return holds_->lease(); }

void Mutex::adopt() { holds_->adopt(); }

RecursiveMutex::RecursiveMutex(Client& client, std::string_view name, LockOptions options)
    : holds_(std::make_unique<detail::ThreadHolds>(
          std::make_shared<detail::LockSpec>(client, name, options))) {}

RecursiveMutex::~RecursiveMutex() { detail::destroy(holds_); }

void RecursiveMutex::lock() {
  if (!holds_->deepen()) {
    holds_->keep(holds_->spec->take_or_throw({}));
  }
}

bool RecursiveMutex::try_lock() { return try_lock_in({}); }

bool RecursiveMutex::try_lock_in(std::chrono::milliseconds span) {
  if (holds_->deepen()) {
    return true;
  }
  auto lease = holds_->spec->take(span, {});
  if (lease) {
    holds_->keep(std::move(*lease));
  }
  return lease.has_value();
}

void RecursiveMutex::unlock() noexcept { holds_->unlock(); }

const Lease& RecursiveMutex::lease() const { return holds_->lease(); }

int RecursiveMutex::depth() const noexcept { return holds_->depth(); }

const std::string& RecursiveMutex::name() const noexcept { return holds_->spec->name; }

}  // namespace dlock
