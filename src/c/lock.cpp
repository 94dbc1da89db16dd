// dlock_lock and dlock_cancel: what is acquired, and how.
#include <memory>
#include <utility>

#include "c/arguments.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "dlock/mutex.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"

using namespace dlock;

namespace {

void start(const LeaseSource& source, c::Limit limit, AcquireHandler handler,
           std::stop_token stop) {
  if (limit) {
    source.async_try_acquire_for(*limit, std::move(handler), std::move(stop));
  } else {
    source.async_acquire(std::move(handler), std::move(stop));
  }
}

// `make(client, options)` makes the source of the leases of `lock`.
template <class Make>
dlock_status make_lock(dlock_client* client, const dlock_lock_options* options, dlock_lock** lock,
                       Make make) {
  return c::make(lock, "lock", [&] {
    c::require(client != nullptr, "client");
    return new dlock_lock{client->queue(), make(client->client, c::lock_options(options))};
  });
}

}  // namespace

dlock_status dlock_mutex_new(dlock_client* client, const char* name, std::size_t length,
                             const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock,
                   [&](Client& owner, const LockOptions& settings) -> LeaseSource {
                     return Mutex{owner, c::bytes(name, length), settings};
                   });
}

dlock_status dlock_reader_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock,
                   [&](Client& owner, const LockOptions& settings) -> LeaseSource {
                     return SharedMutex{owner, c::bytes(name, length), settings}.reader();
                   });
}

dlock_status dlock_writer_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock,
                   [&](Client& owner, const LockOptions& settings) -> LeaseSource {
                     return SharedMutex{owner, c::bytes(name, length), settings}.writer();
                   });
}

dlock_status dlock_permits_new(dlock_client* client, const char* name, std::size_t length,
                               std::int64_t permits, std::int64_t weight,
                               const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(
      client, options, lock, [&](Client& owner, const LockOptions& settings) -> LeaseSource {
        return Semaphore{owner, c::bytes(name, length), permits, settings}.permits(weight);
      });
}

void dlock_lock_free(dlock_lock* lock) { delete lock; }

dlock_status dlock_cancel_new(dlock_cancel** cancel) {
  return c::make(cancel, "cancel", [] { return new dlock_cancel; });
}

void dlock_cancel_request(dlock_cancel* cancel) {
  if (cancel != nullptr) {
    cancel->source.request_stop();
  }
}

void dlock_cancel_free(dlock_cancel* cancel) { delete cancel; }

dlock_status dlock_acquire(dlock_lock* lock, std::int64_t timeout_ms, dlock_cancel* cancel,
                           dlock_lease** lease) {
  return c::make(lease, "lease", [&] {
    c::require(lock != nullptr, "lock");
    const auto limit = c::limit_of(timeout_ms);
    auto obtained = limit ? lock->source.try_acquire_for(*limit, c::token_of(cancel))
                          : std::optional{lock->source.acquire(c::token_of(cancel))};
    if (!obtained) {
      throw_error(errc::timed_out,
                  timeout_ms > 0 ? "the lock was not ours in time" : "the lock is not free");
    }
    return new dlock_lease{lock->queue(), std::move(*obtained)};
  });
}

dlock_status dlock_acquire_async(dlock_lock* lock, std::int64_t timeout_ms, dlock_cancel* cancel,
                                 dlock_acquire_handler handler, void* context) {
  return c::guarded([&] {
    c::require(lock != nullptr, "lock");
    c::require(handler != nullptr, "handler");
    start(
        lock->source, c::limit_of(timeout_ms),
        [handler, context, queue = lock->queue()](AcquireResult result) {
          dlock_lease* lease = nullptr;
          const auto status =
              c::guarded([&] { lease = new dlock_lease{queue, std::move(result).get()}; });
          const std::string message = dlock_last_error();  // what the handler calls may fail too
          handler(context, status, lease, status == DLOCK_OK ? nullptr : message.c_str());
        },
        c::token_of(cancel));
  });
}

dlock_status dlock_acquire_queued(dlock_lock* lock, std::int64_t timeout_ms,
                                  std::uint64_t context) {
  return c::guarded([&] {
    c::require(lock != nullptr, "lock");
    const auto& queue = c::queue_of(*lock);
    auto stop = queue->begin_wait(context);
    const auto pending = std::make_shared<c::Pending>(
        queue, c::Event{DLOCK_EVENT_ACQUIRED, context, DLOCK_CANCELLED, "the client was freed"});
    const auto handler = [pending](AcquireResult result) {
      std::unique_ptr<dlock_lease> lease;
      const auto status = c::guarded(
          [&] { lease = std::make_unique<dlock_lease>(nullptr, std::move(result).get()); });
      if (pending->end(status, lease.get())) {
        lease.release();  // NOLINT(bugprone-unused-return-value): the queue has it
      }
    };
    try {
      start(lock->source, c::limit_of(timeout_ms), handler, std::move(stop));
    } catch (...) {
      pending->take_back();
      queue->end_wait(context);
      throw;
    }
  });
}
