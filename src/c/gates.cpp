// dlock_latch and dlock_barrier: waiting for each other, not for a lock.
#include <string_view>
#include <utility>

#include "c/arguments.hpp"
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

dlock_status dlock_latch_new(dlock_client* client, const char* name, std::size_t length,
                             std::int64_t count, const dlock_latch_options* options,
                             dlock_latch** latch) {
  return c::make(latch, "latch", [&] {
    c::require(client != nullptr, "client");
    const auto from = c::read_options(options);
    LatchOptions settings;
    settings.keep = c::span_of(from.keep_ms).value_or(settings.keep);
    settings.ttl = c::span_of(from.ttl_ms).value_or(settings.ttl);
    return new dlock_latch{*client, c::bytes(name, length), count, settings};
  });
}

void dlock_latch_free(dlock_latch* latch) { delete latch; }

dlock_status dlock_latch_count_down(dlock_latch* latch, std::int64_t n) {
  return c::guarded([&] {
    c::require(latch != nullptr, "latch");
    latch->latch.count_down(n);
  });
}

dlock_status dlock_latch_join(dlock_latch* latch, dlock_lease** part) {
  return c::make(part, "part", [&] {
    c::require(latch != nullptr, "latch");
    return new dlock_lease{latch->queue(), latch->latch.join()};
  });
}

dlock_status dlock_latch_count_down_part(dlock_latch* latch, dlock_lease* part) {
  return c::guarded([&] {
    c::require(latch != nullptr, "latch");
    c::check(part);
    latch->latch.count_down(part->take());
  });
}

dlock_status dlock_latch_wait(dlock_latch* latch, std::int64_t timeout_ms, dlock_cancel* cancel) {
  return c::guarded([&] {
    c::require(latch != nullptr, "latch");
    const auto limit = c::limit_of(timeout_ms);
    if (!limit) {
      latch->latch.wait(c::token_of(cancel));
    } else if (!latch->latch.wait_for(*limit, c::token_of(cancel))) {
      throw_error(errc::timed_out, "the latch is not at zero");
    }
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
    return new dlock_barrier{*client, c::bytes(name, length), parties, settings};
  });
}

void dlock_barrier_free(dlock_barrier* barrier) { delete barrier; }

dlock_status dlock_barrier_wait(dlock_barrier* barrier, std::int64_t timeout_ms,
                                dlock_cancel* cancel) {
  return c::guarded([&] {
    c::require(barrier != nullptr, "barrier");
    const auto limit = c::limit_of(timeout_ms);
    if (!limit) {
      barrier->barrier.arrive_and_wait(c::token_of(cancel));
    } else if (!barrier->barrier.arrive_and_wait_for(*limit, c::token_of(cancel))) {
      throw_error(errc::timed_out, "not all arrived at the barrier in time");
    }
  });
}

dlock_status dlock_barrier_join(dlock_barrier* barrier, dlock_lease** part) {
  return c::make(part, "part", [&] {
    c::require(barrier != nullptr, "barrier");
    return new dlock_lease{barrier->queue(), barrier->barrier.join()};
  });
}

dlock_status dlock_barrier_leave(dlock_barrier* barrier, dlock_lease* part) {
  return c::guarded([&] {
    c::require(barrier != nullptr, "barrier");
    c::check(part);
    barrier->barrier.leave(part->take());
  });
}

dlock_status dlock_barrier_reset(dlock_barrier* barrier) {
  return c::guarded([&] {
    c::require(barrier != nullptr, "barrier");
    barrier->barrier.reset();
  });
}
