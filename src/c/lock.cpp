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

// A mutex, or a writer.
template <class Lock>
c::Ways alone(std::shared_ptr<Lock> lock) {
  return {[lock](c::Limit limit, std::stop_token stop) {
            return limit ? lock->try_acquire_for(*limit, std::move(stop))
                         : std::optional{lock->acquire(std::move(stop))};
          },
          [lock](c::Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_for(*limit, std::move(handler), std::move(stop))
                  : lock->async_acquire(std::move(handler), std::move(stop));
          }};
}

c::Ways beside_others(std::shared_ptr<SharedMutex> lock) {
  return {[lock](c::Limit limit, std::stop_token stop) {
            return limit ? lock->try_acquire_shared_for(*limit, std::move(stop))
                         : std::optional{lock->acquire_shared(std::move(stop))};
          },
          [lock](c::Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_shared_for(*limit, std::move(handler), std::move(stop))
                  : lock->async_acquire_shared(std::move(handler), std::move(stop));
          }};
}

c::Ways some_permits(std::shared_ptr<Semaphore> lock, std::int64_t weight) {
  return {[lock, weight](c::Limit limit, std::stop_token stop) {
            return limit ? lock->try_acquire_for(*limit, weight, std::move(stop))
                         : std::optional{lock->acquire(weight, std::move(stop))};
          },
          [lock, weight](c::Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_for(*limit, weight, std::move(handler), std::move(stop))
                  : lock->async_acquire(weight, std::move(handler), std::move(stop));
          }};
}

// `make(client, options)` makes what `lock` shall point to.
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
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    return alone(std::make_shared<Mutex>(owner, c::bytes(name, length), settings));
  });
}

dlock_status dlock_reader_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    return beside_others(std::make_shared<SharedMutex>(owner, c::bytes(name, length), settings));
  });
}

dlock_status dlock_writer_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    return alone(std::make_shared<SharedMutex>(owner, c::bytes(name, length), settings));
  });
}

dlock_status dlock_permits_new(dlock_client* client, const char* name, std::size_t length,
                               std::int64_t permits, std::int64_t weight,
                               const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    const SemaphoreOptions semaphore{.permits = permits,
                                     .ttl = settings.ttl,
                                     .renew = settings.renew,
                                     .max_hold = settings.max_hold,
                                     .min_replicas = settings.min_replicas,
                                     .replication_timeout = settings.replication_timeout};
    return some_permits(std::make_shared<Semaphore>(owner, c::bytes(name, length), semaphore),
                        weight);
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
    auto obtained = lock->ways.take(c::limit_of(timeout_ms), c::token_of(cancel));
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
    lock->ways.start(
        c::limit_of(timeout_ms),
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
      lock->ways.start(c::limit_of(timeout_ms), handler, std::move(stop));
    } catch (...) {
      pending->take_back();
      queue->end_wait(context);
      throw;
    }
  });
}
