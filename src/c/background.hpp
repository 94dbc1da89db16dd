// Calls that block, on threads of the library: they end in a queue.
#pragma once

#include <memory>
#include <stop_token>
#include <utility>

#include "c/lease.hpp"
#include "c/queue.hpp"
#include "c/status.hpp"
#include "runtime/background_thread.hpp"

namespace dlock::c {

/// Throws in a forked child.
inline void check_process(const dlock_queue& queue) {
  if (queue.is_forked()) {
    throw_error(errc::forked, "this process is a fork: its parent has the queue");
  }
}

/// Runs `call(stop, event)`, which fills in what it found, and pushes the event. A wait, which is
/// what DLOCK_EVENT_ACQUIRED and DLOCK_EVENT_DONE end, is cancelled by the event's context; it may
/// have a lease also if it failed. Throws what keeps it from starting.
template <class Call>
void in_background(const std::shared_ptr<dlock_queue>& queue, Event event, Call call) {
  check_process(*queue);
  const auto context = event.context;
  const bool waits = event.kind == DLOCK_EVENT_ACQUIRED || event.kind == DLOCK_EVENT_DONE;
  auto stop = waits ? queue->begin_wait(context) : std::stop_token{};
  try {
    runtime::background_thread([queue, event = std::move(event), stop = std::move(stop),
                                call = std::move(call)]() mutable {
      event.end(guarded([&] { call(stop, event); }));
      auto* const lease = event.lease;
      if (!queue->push(std::move(event)) && lease != nullptr) {
        lease->free();
      }
    }).detach();
  } catch (...) {
    if (waits) {
      queue->end_wait(context);
    }
    throw;
  }
}

}  // namespace dlock::c
