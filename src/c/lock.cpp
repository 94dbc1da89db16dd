// dlock_lock and dlock_cancel: what is acquired, and how.
#include <memory>
#include <string>
#include <utility>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "c/text.hpp"
#include "dlock/inspect.hpp"
#include "inspect/look_at_lock.hpp"
#include "locks/lock_spec.hpp"

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

// `make(client, options)` makes the `Ways` to what `lock` stands for.
template <class Make>
dlock_status make_lock(dlock_client* client, const dlock_lock_options* options, dlock_lock** lock,
                       Make make) {
  return c::make(lock, "lock", [&] {
    c::require(client != nullptr, "client");
    return c::handle<dlock_lock>(client->queue(), make(client->client, c::lock_options(options)));
  });
}

}  // namespace

dlock_status dlock_mutex_new(dlock_client* client, const char* name, std::size_t length,
                             const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    const auto spec = std::make_shared<detail::LockSpec>(owner, c::bytes(name, length), settings);
    return c::Ways{.source = LeaseSource{spec, 0}};
  });
}

dlock_status dlock_reader_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    const auto mutex = std::make_shared<SharedMutex>(owner, c::bytes(name, length), settings);
    return c::Ways{.source = mutex->reader(), .shared_mutex = mutex};
  });
}

dlock_status dlock_writer_new(dlock_client* client, const char* name, std::size_t length,
                              const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    const auto mutex = std::make_shared<SharedMutex>(owner, c::bytes(name, length), settings);
    return c::Ways{.source = mutex->writer(), .shared_mutex = mutex};
  });
}

dlock_status dlock_permits_new(dlock_client* client, const char* name, std::size_t length,
                               std::int64_t permits, std::int64_t weight,
                               const dlock_lock_options* options, dlock_lock** lock) {
  return make_lock(client, options, lock, [&](Client& owner, const LockOptions& settings) {
    const auto all = std::make_shared<Semaphore>(owner, c::bytes(name, length), permits, settings);
    return c::Ways{.source = all->permits(weight), .semaphore = all};
  });
}

void dlock_lock_free(dlock_lock* lock) {
  if (lock != nullptr) {
    lock->free();
  }
}

c::Right dlock_lock::take(c::Limit limit, std::stop_token stop) const {
  if (ways.source) {
    const auto& spec = *ways.source->spec();
    return spec.take_or_throw(limit, stop, spec.permits(ways.source->weight()));
  }
  return ways.take_special(limit, std::move(stop));
}

namespace {

// Throws if it stands for several.
const detail::LockSpec& spec_of(const dlock_lock& lock) {
  if (lock.ways.source) {
    return *lock.ways.source->spec();
  }
  if (!lock.ways.shared_mutex) {
    throw_error(errc::usage, "several locks are described one by one: use dlock_inspect()");
  }
  return *lock.ways.shared_mutex->reader().spec();
}

std::string description_of(const dlock_lock& lock) {
  const auto& spec = spec_of(lock);
  spec.client->check_process();
  return to_string(detail::inspect_lock(*spec.client, spec.name));
}

}  // namespace

dlock_status dlock_lock_describe(dlock_lock* lock, char** text) {
  return c::make(text, "text", [&] {
    c::require(lock != nullptr, "lock");
    return c::copy_of(description_of(*lock));
  });
}

dlock_status dlock_lock_describe_queued(dlock_lock* lock, std::uint64_t context) {
  return c::guarded([&] {
    c::require(lock != nullptr, "lock");
    static_cast<void>(spec_of(*lock));
    c::in_background(c::queue_of(*lock), {DLOCK_EVENT_DONE, context},
                     [its = c::kept(lock)](const std::stop_token&, c::Event& event) {
                       event.text = description_of(*its);
                     });
  });
}

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
    return c::handle<dlock_lease>(
        lock->queue(), lock->take(c::limit_of(timeout_ms), c::token_of(cancel)), c::kept(lock));
  });
}

dlock_status dlock_acquire_async(dlock_lock* lock, std::int64_t timeout_ms, dlock_cancel* cancel,
                                 dlock_acquire_handler handler, void* context) {
  return c::guarded([&] {
    c::require(lock != nullptr, "lock");
    c::require(handler != nullptr, "handler");
    if (!lock->ways.source) {
      throw_error(errc::usage,
                  "an upgradeable reader and several locks are acquired by dlock_acquire() or "
                  "dlock_acquire_queued()");
    }
    start(
        *lock->ways.source, c::limit_of(timeout_ms),
        [handler, context, its = c::kept(lock)](AcquireResult result) {
          dlock_lease* lease = nullptr;
          const auto status = c::guarded(
              [&] { lease = c::handle<dlock_lease>(its->queue(), std::move(result).get(), its); });
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
    if (!lock->ways.source) {
      c::in_background(queue, {DLOCK_EVENT_ACQUIRED, context},
                       [its = c::kept(lock), limit = c::limit_of(timeout_ms)](
                           const std::stop_token& stop, c::Event& event) {
                         event.lease = c::handle<dlock_lease>(nullptr, its->take(limit, stop), its);
                       });
      return;
    }
    auto stop = queue->begin_wait(context);
    const auto pending = std::make_shared<c::Pending>(
        queue, c::Event{DLOCK_EVENT_ACQUIRED, context, DLOCK_CANCELLED, "the client was freed"});
    auto handler = [pending, its = c::kept(lock)](AcquireResult result) {
      dlock_lease* lease = nullptr;
      const auto status = c::guarded(
          [&] { lease = c::handle<dlock_lease>(nullptr, std::move(result).get(), its); });
      if (!pending->end(status, lease) && lease != nullptr) {
        lease->abandon();
        lease->free();
      }
    };
    try {
      const auto& source = *lock->ways.source;
      const auto& spec = *source.spec();
      spec.async_take(c::limit_of(timeout_ms), stop, spec.permits(source.weight()),
                      std::move(handler), queue);
    } catch (...) {
      pending->take_back();
      queue->end_wait(context);
      throw;
    }
  });
}
