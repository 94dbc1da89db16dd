// dlock_condition: waiting until another program says that something has changed.
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "dlock/condition_variable.hpp"
#include "locks/condition_wait.hpp"

using namespace dlock;

struct dlock_condition : c::Belonging {
  dlock_condition(dlock_client& of, std::string_view name)
      : Belonging(of.queue()), condition(of.client, name) {}
  ConditionVariable condition;
};

namespace {

// Throws `UsageError` and `LockLost`.
void check_wait(const dlock_condition* condition, const dlock_lease* lease) {
  c::require(condition != nullptr, "condition");
  c::check(lease);
  if (!lease->lock()) {
    throw_error(errc::usage, "waiting at a condition needs a lease of dlock_acquire()");
  }
  lease->ensure_held();
}

// `lease` becomes the lock as it was taken again, also if this throws; NULL if it could not be.
void wait_at(const dlock_condition& condition, dlock_lease*& lease, c::Limit limit,
             const std::stop_token& stop, const std::shared_ptr<dlock_queue>& queue) {
  const auto held = c::kept(lease);
  const auto source = held->lock();
  if (!source) {
    throw_error(errc::usage, "the lease was released before the wait at the condition began");
  }
  const bool woken = detail::ConditionWait::wait(
      condition.condition,
      [&] {
        lease = nullptr;
        held->give_back_quietly();
        held->free();
      },
      [&] { lease = c::handle<dlock_lease>(queue, source->take({}, {}), source); }, stop, limit);
  if (!woken) {
    throw_error(stop.stop_requested() ? errc::cancelled : errc::timed_out,
                "the wait at the condition ended without a notification");
  }
}

}  // namespace

dlock_status dlock_condition_new(dlock_client* client, const char* name, std::size_t length,
                                 dlock_condition** condition) {
  return c::make(condition, "condition", [&] {
    c::require(client != nullptr, "client");
    return c::handle<dlock_condition>(*client, c::bytes(name, length));
  });
}

void dlock_condition_free(dlock_condition* condition) {
  if (condition != nullptr) {
    condition->free();
  }
}

dlock_status dlock_condition_wait(dlock_condition* condition, dlock_lease** lease,
                                  std::int64_t timeout_ms, dlock_cancel* cancel) {
  return c::guarded([&] {
    c::require(lease != nullptr, "lease");
    check_wait(condition, *lease);
    wait_at(*c::kept(condition), *lease, c::limit_of(timeout_ms), c::token_of(cancel),
            (*lease)->queue());
  });
}

dlock_status dlock_condition_wait_queued(dlock_condition* condition, dlock_lease* lease,
                                         std::int64_t timeout_ms, std::uint64_t context) {
  return c::guarded([&] {
    check_wait(condition, lease);
    const auto queue = c::queue_of(*lease);
    c::in_background(
        queue, {DLOCK_EVENT_ACQUIRED, context},
        [its = c::kept(condition), lease, held = c::kept(lease), limit = c::limit_of(timeout_ms)](
            const std::stop_token& stop, c::Event& event) {
          held->leave();  // the queue has it again with the event
          held->stop_watching();
          event.lease = lease;
          wait_at(*its, event.lease, limit, stop, nullptr);
        });
  });
}

namespace {

void notify(dlock_condition& condition, bool all) {
  all ? condition.condition.notify_all() : condition.condition.notify_one();
}

dlock_status notify_queued(dlock_condition* condition, std::uint64_t context, bool all) {
  return c::guarded([&] {
    c::require(condition != nullptr, "condition");
    c::in_background(
        c::queue_of(*condition), {DLOCK_EVENT_DONE, context},
        [its = c::kept(condition), all](const std::stop_token&, c::Event&) { notify(*its, all); });
  });
}

}  // namespace

dlock_status dlock_condition_notify_one(dlock_condition* condition) {
  return c::guarded([&] {
    c::require(condition != nullptr, "condition");
    notify(*condition, false);
  });
}

dlock_status dlock_condition_notify_all(dlock_condition* condition) {
  return c::guarded([&] {
    c::require(condition != nullptr, "condition");
    notify(*condition, true);
  });
}

dlock_status dlock_condition_notify_one_queued(dlock_condition* condition, std::uint64_t context) {
  return notify_queued(condition, context, false);
}

dlock_status dlock_condition_notify_all_queued(dlock_condition* condition, std::uint64_t context) {
  return notify_queued(condition, context, true);
}
