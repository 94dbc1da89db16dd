// dlock_lock and dlock_cancel: what is acquired, and how.
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "c/handles.hpp"
#include "c/options.hpp"
#include "c/status.hpp"
#include "dlock/mutex.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"

using namespace dlock;

namespace {

LockOptions lock_options(const dlock_lock_options& from) {
  LockOptions options;
  options.ttl = c::span_of(from.ttl_ms).value_or(options.ttl);
  options.renew = from.no_renew == 0;
  options.max_hold = c::span_of(from.max_hold_ms);
  return options;
}

std::string_view bytes(const char* name, std::size_t length) {
  if (length == 0) {
    return {};
  }
  c::require(name != nullptr, "name");
  return length == DLOCK_TEXT ? std::string_view{name} : std::string_view{name, length};
}

// A mutex, or a writer.
template <class Lock>
dlock_lock alone(std::shared_ptr<Lock> lock) {
  return {[lock](c::Limit limit, std::stop_token stop) {
            return limit ? lock->try_acquire_for(*limit, std::move(stop))
                         : std::optional{lock->acquire(std::move(stop))};
          },
          [lock](c::Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_for(*limit, std::move(handler), std::move(stop))
                  : lock->async_acquire(std::move(handler), std::move(stop));
          }};
}

dlock_lock beside_others(std::shared_ptr<SharedMutex> lock) {
  return {[lock](c::Limit limit, std::stop_token stop) {
            return limit ? lock->try_acquire_shared_for(*limit, std::move(stop))
                         : std::optional{lock->acquire_shared(std::move(stop))};
          },
          [lock](c::Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_shared_for(*limit, std::move(handler), std::move(stop))
                  : lock->async_acquire_shared(std::move(handler), std::move(stop));
          }};
}

dlock_lock some_permits(std::shared_ptr<Semaphore> lock, std::int64_t weight) {
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
  return c::guarded([&] {
    c::require(lock != nullptr, "lock");
    *lock = nullptr;
    c::require(client != nullptr, "client");
    *lock = new dlock_lock{make(client->client, lock_options(c::read_options(options)))};
  });
}

c::Limit limit_of(std::int64_t timeout_ms) {
  return timeout_ms < 0 ? c::Limit{} : std::chrono::milliseconds{timeout_ms};
}

std::stop_token token_of(const dlock_cancel* cancel) {
  return cancel != nullptr ? cancel->source.get_token() : std::stop_token{};
}

}  // namespace

dlock_status dlock_mutex_new(dlock_client* client, const char* name, std::size_t length,
                             const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    return alone(std::make_shared<Mutex>(owner, bytes(name, length), settings));
  });
}

dlock_status dlock_reader_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    return beside_others(std::make_shared<SharedMutex>(owner, bytes(name, length), settings));
  });
}

dlock_status dlock_writer_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    return alone(std::make_shared<SharedMutex>(owner, bytes(name, length), settings));
  });
}

dlock_status dlock_permits_new(dlock_client* client, const char* name, std::size_t length,
                               std::int64_t permits, std::int64_t weight,
                               const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    return some_permits(
        std::make_shared<Semaphore>(owner, bytes(name, length),
                                    SemaphoreOptions{.permits = permits,
                                                     .ttl = settings.ttl,
                                                     .renew = settings.renew,
                                                     .max_hold = settings.max_hold}),
        weight);
  });
}

void dlock_lock_free(dlock_lock* lock) { delete lock; }

dlock_status dlock_cancel_new(dlock_cancel** cancel) {
  return c::guarded([&] {
    c::require(cancel != nullptr, "cancel");
    *cancel = nullptr;
    *cancel = new dlock_cancel;
  });
}

void dlock_cancel_request(dlock_cancel* cancel) {
  if (cancel != nullptr) {
    cancel->source.request_stop();
  }
}

void dlock_cancel_free(dlock_cancel* cancel) { delete cancel; }

dlock_status dlock_acquire(dlock_lock* lock, std::int64_t timeout_ms, dlock_cancel* cancel,
                           dlock_lease** lease) {
  return c::guarded([&] {
    c::require(lease != nullptr, "lease");
    *lease = nullptr;
    c::require(lock != nullptr, "lock");
    auto obtained = lock->take(limit_of(timeout_ms), token_of(cancel));
    if (!obtained) {
      throw_error(errc::timed_out,
                  timeout_ms > 0 ? "the lock was not ours in time" : "the lock is not free");
    }
    *lease = new dlock_lease{std::move(*obtained)};
  });
}

dlock_status dlock_acquire_async(dlock_lock* lock, std::int64_t timeout_ms, dlock_cancel* cancel,
                                 dlock_acquire_handler handler, void* context) {
  return c::guarded([&] {
    c::require(lock != nullptr, "lock");
    c::require(handler != nullptr, "handler");
    lock->start(
        limit_of(timeout_ms),
        [handler, context](AcquireResult result) {
          dlock_lease* lease = nullptr;
          const auto status = c::guarded([&] { lease = new dlock_lease{std::move(result).get()}; });
          const std::string message = dlock_last_error();  // what the handler calls may fail too
          handler(context, status, lease, status == DLOCK_OK ? nullptr : message.c_str());
        },
        token_of(cancel));
  });
}
