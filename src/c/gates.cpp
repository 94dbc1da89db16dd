// dlock_latch and dlock_barrier: waiting for each other, not for a lock.
#include <string_view>
#include <utility>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "dlock/barrier.hpp"
#include "dlock/latch.hpp"

using namespace dlock;

struct dlock_latch : c::Belonging {
  dlock_latch(dlock_client& of, std::string_view name, std::int64_t count,
              const LatchOptions& options)
      : Belonging(of.queue()), latch(of.client, name, count, options) {}
  Latch latch;
};

struct dlock_barrier : c::Belonging {
  dlock_barrier(dlock_client& of, std::string_view name, std::int64_t parties,
                const BarrierOptions& options)
      : Belonging(of.queue()), barrier(of.client, name, parties, options) {}
  Barrier barrier;
};

namespace {

void wait(Latch& latch, c::Limit limit, const std::stop_token& stop) {
  if (!limit) {
    latch.wait(stop);
  } else if (!latch.wait_for(*limit, stop)) {
    throw_error(errc::timed_out, "the latch is not at zero");
  }
}

void wait(Barrier& barrier, c::Limit limit, const std::stop_token& stop) {
  if (!limit) {
    barrier.arrive_and_wait(stop);
  } else if (!barrier.arrive_and_wait_for(*limit, stop)) {
    throw_error(errc::timed_out, "not all parties arrived at the barrier in time");
  }
}

Lease take_part(dlock_lease* part) {
  c::check(part);
  if (part->as<Lease>() == nullptr) {
    throw_error(errc::usage, "this lease is not a part of a latch or barrier");
  }
  return std::get<Lease>(part->take());
}

// A call on a handle which may be freed meanwhile.
template <class Handle, class Call>
dlock_status queued(Handle* handle, const char* name, c::Event event, Call call) {
  return c::guarded([&] {
    c::require(handle != nullptr, name);
    c::in_background(c::queue_of(*handle), std::move(event),
                     [its = c::kept(handle), call = std::move(call)](
                         const std::stop_token& stop, c::Event& end) { call(*its, stop, end); });
  });
}

}  // namespace

dlock_status dlock_latch_new(dlock_client* client, const char* name, std::size_t length,
                             std::int64_t count, const dlock_latch_options* options,
                             dlock_latch** latch) {
  return c::make(latch, "latch", [&] {
    c::require(client != nullptr, "client");
    const auto from = c::read_options(options);
    LatchOptions settings;
    settings.keep = c::span_of(from.keep_ms).value_or(settings.keep);
    settings.ttl = c::span_of(from.ttl_ms).value_or(settings.ttl);
    return c::handle<dlock_latch>(*client, c::bytes(name, length), count, settings);
  });
}

void dlock_latch_free(dlock_latch* latch) {
  if (latch != nullptr) {
    latch->free();
  }
}

dlock_status dlock_latch_count_down(dlock_latch* latch, std::int64_t n) {
  return c::guarded([&] {
    c::require(latch != nullptr, "latch");
    latch->latch.count_down(n);
  });
}

dlock_status dlock_latch_join(dlock_latch* latch, dlock_lease** part) {
  return c::make(part, "part", [&] {
    c::require(latch != nullptr, "latch");
    return c::handle<dlock_lease>(latch->queue(), latch->latch.join());
  });
}

dlock_status dlock_latch_count_down_part(dlock_latch* latch, dlock_lease* part) {
  return c::guarded([&] {
    c::require(latch != nullptr, "latch");
    latch->latch.count_down(take_part(part));
  });
}

dlock_status dlock_latch_wait(dlock_latch* latch, std::int64_t timeout_ms, dlock_cancel* cancel) {
  return c::guarded([&] {
    c::require(latch != nullptr, "latch");
    wait(latch->latch, c::limit_of(timeout_ms), c::token_of(cancel));
  });
}

dlock_status dlock_barrier_new(dlock_client* client, const char* name, std::size_t length,
                               std::int64_t parties, const dlock_barrier_options* options,
                               dlock_barrier** barrier) {
  return c::make(barrier, "barrier", [&] {
    c::require(client != nullptr, "client");
    const auto from = c::read_options(options);
    BarrierOptions settings;
    settings.ttl = c::span_of(from.ttl_ms).value_or(settings.ttl);
    return c::handle<dlock_barrier>(*client, c::bytes(name, length), parties, settings);
  });
}

void dlock_barrier_free(dlock_barrier* barrier) {
  if (barrier != nullptr) {
    barrier->free();
  }
}

dlock_status dlock_barrier_wait(dlock_barrier* barrier, std::int64_t timeout_ms,
                                dlock_cancel* cancel) {
  return c::guarded([&] {
    c::require(barrier != nullptr, "barrier");
    wait(barrier->barrier, c::limit_of(timeout_ms), c::token_of(cancel));
  });
}

dlock_status dlock_barrier_join(dlock_barrier* barrier, dlock_lease** part) {
  return c::make(part, "part", [&] {
    c::require(barrier != nullptr, "barrier");
    return c::handle<dlock_lease>(barrier->queue(), barrier->barrier.join());
  });
}

dlock_status dlock_barrier_leave(dlock_barrier* barrier, dlock_lease* part) {
  return c::guarded([&] {
    c::require(barrier != nullptr, "barrier");
    barrier->barrier.leave(take_part(part));
  });
}

dlock_status dlock_barrier_reset(dlock_barrier* barrier) {
  return c::guarded([&] {
    c::require(barrier != nullptr, "barrier");
    barrier->barrier.reset();
  });
}

dlock_status dlock_latch_count_down_queued(dlock_latch* latch, std::int64_t n,
                                           std::uint64_t context) {
  return queued(
      latch, "latch", {DLOCK_EVENT_DONE, context},
      [n](dlock_latch& its, const std::stop_token&, c::Event&) { its.latch.count_down(n); });
}

dlock_status dlock_latch_join_queued(dlock_latch* latch, std::uint64_t context) {
  return queued(latch, "latch", {DLOCK_EVENT_ACQUIRED, context},
                [](dlock_latch& its, const std::stop_token&, c::Event& event) {
                  event.lease = c::handle<dlock_lease>(nullptr, its.latch.join());
                });
}

dlock_status dlock_latch_count_down_part_queued(dlock_latch* latch, dlock_lease* part,
                                                std::uint64_t context) {
  return c::guarded([&] {
    c::require(latch != nullptr, "latch");
    c::check(part);
    c::in_background(
        c::queue_of(*latch), {DLOCK_EVENT_DONE, context},
        [its = c::kept(latch), had = c::kept(part)](const std::stop_token&, c::Event&) {
          its->latch.count_down(take_part(had.get()));
        });
  });
}

dlock_status dlock_latch_wait_queued(dlock_latch* latch, std::int64_t timeout_ms,
                                     std::uint64_t context) {
  return queued(latch, "latch", {DLOCK_EVENT_DONE, context},
                [limit = c::limit_of(timeout_ms)](dlock_latch& its, const std::stop_token& stop,
                                                  c::Event&) { wait(its.latch, limit, stop); });
}

dlock_status dlock_barrier_wait_queued(dlock_barrier* barrier, std::int64_t timeout_ms,
                                       std::uint64_t context) {
  return queued(barrier, "barrier", {DLOCK_EVENT_DONE, context},
                [limit = c::limit_of(timeout_ms)](dlock_barrier& its, const std::stop_token& stop,
                                                  c::Event&) { wait(its.barrier, limit, stop); });
}

dlock_status dlock_barrier_join_queued(dlock_barrier* barrier, std::uint64_t context) {
  return queued(barrier, "barrier", {DLOCK_EVENT_ACQUIRED, context},
                [](dlock_barrier& its, const std::stop_token&, c::Event& event) {
                  event.lease = c::handle<dlock_lease>(nullptr, its.barrier.join());
                });
}

dlock_status dlock_barrier_leave_queued(dlock_barrier* barrier, dlock_lease* part,
                                        std::uint64_t context) {
  return c::guarded([&] {
    c::require(barrier != nullptr, "barrier");
    c::check(part);
    c::in_background(
        c::queue_of(*barrier), {DLOCK_EVENT_DONE, context},
        [its = c::kept(barrier), had = c::kept(part)](const std::stop_token&, c::Event&) {
          its->barrier.leave(take_part(had.get()));
        });
  });
}

dlock_status dlock_barrier_reset_queued(dlock_barrier* barrier, std::uint64_t context) {
  return queued(barrier, "barrier", {DLOCK_EVENT_DONE, context},
                [](dlock_barrier& its, const std::stop_token&, c::Event&) { its.barrier.reset(); });
}
