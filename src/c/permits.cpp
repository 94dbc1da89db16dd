// Permits of a semaphore: how many there are.
#include <cstdint>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"

using namespace dlock;

namespace {

Semaphore& semaphore_of(const dlock_lock* lock) {
  c::require(lock != nullptr, "lock");
  if (!lock->ways.semaphore) {
    throw_error(errc::usage, "only a lock of dlock_permits_new() has permits");
  }
  return *lock->ways.semaphore;
}

}  // namespace

dlock_status dlock_permits_resize(dlock_lock* lock, std::int64_t permits) {
  return c::guarded([&] { semaphore_of(lock).resize(permits); });
}

dlock_status dlock_permits_resize_queued(dlock_lock* lock, std::int64_t permits,
                                         std::uint64_t context) {
  return c::guarded([&] {
    semaphore_of(lock);
    c::in_background(c::queue_of(*lock), {DLOCK_EVENT_DONE, context},
                     [its = c::kept(lock), permits](const std::stop_token&, c::Event&) {
                       semaphore_of(its.get()).resize(permits);
                     });
  });
}
