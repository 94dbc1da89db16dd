// LockSpec: from a handle's request to a lease.
#include "locks/lock_spec.hpp"

#include <utility>

#include "core/engine/statistics.hpp"
#include "core/wire/span_text.hpp"
#include "core/wire/text.hpp"
#include "core/wire/token.hpp"
#include "deadlock/deadlock_watch.hpp"
#include "dlock/error.hpp"
#include "locks/ended_wait.hpp"
#include "locks/for_ever.hpp"
#include "locks/lease_state.hpp"
#include "locks/slow_waits.hpp"
#include "locks/thread_leases.hpp"
#include "runtime/clock.hpp"
#include "session/async_call.hpp"
#include "store/replication.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_key_bytes = 512 * 1024;
constexpr milliseconds max_ttl = std::chrono::hours{24 * 3660};
constexpr milliseconds max_replication_timeout = std::chrono::hours{1};
constexpr std::int64_t max_replicas = 1'000'000;

std::string too_late(const std::string& name, milliseconds limit, std::int64_t place) {
  const auto lock = "the lock \"" + core::escaped(name) + "\"";
  if (limit <= milliseconds::zero()) {
    return lock + " is not free";
  }
  const auto queue = place > 0 ? ", number " + std::to_string(place) + " in its queue" : "";
  return "could not acquire " + lock + " within " + core::span_text(limit) + queue +
         "; 'dlock info' shows its holder";
}

LockOptions finite(LockOptions options) {
  options.ttl = Span{unless_for_ever(options.ttl, max_ttl)};
  options.replication_timeout =
      Span{unless_for_ever(options.replication_timeout, max_replication_timeout)};
  return options;
}

// What a lease with these terms holds. The key of a part is none of a user's lock.
LeaseKind kind_of(const std::optional<core::Permits>& permits) {
  return core::lease_kind({}, permits ? core::Kind::permits : core::Kind::mutex,
                          permits.value_or(core::Permits{}));
}

}  // namespace

LockSpec::LockSpec(Client& owner, std::string_view lock_name, LockOptions lock_options,
                   std::int64_t permits)
    : client(owner.state()),
      name(lock_name),
      key(client->config().key_of(name)),
      group(client->group_of(name)),
      options(finite(lock_options)),
      capacity(permits) {
  if (key.text().size() > max_key_bytes) {
    throw_error(errc::usage,
                "a lock's name with its prefix may have at most 512 KiB, this one has " +
                    std::to_string(key.text().size()) + " bytes");
  }
  if (key.text().starts_with(core::token_prefix)) {
    throw_error(errc::usage, "keys that begin with \"" + std::string{core::token_prefix} +
                                 "\" are the library's own; choose another name or prefix");
  }
  if (options.ttl < milliseconds{10} || options.ttl > max_ttl) {
    throw_error(errc::usage, "ttl is " + std::to_string(options.ttl.count()) +
                                 " ms; it must be from 10 ms to 10 years, or unlimited");
  }
  if (options.max_hold && *options.max_hold <= milliseconds::zero()) {
    throw_error(errc::usage, "max_hold must be longer than zero");
  }
  if (options.min_replicas < 0 || options.min_replicas > max_replicas) {
    throw_error(errc::usage, "min_replicas must be from 0 to 1,000,000");
  }
  if (options.min_replicas > 0 && client->is_quorum()) {
    throw_error(errc::usage,
                "min_replicas is not supported with redis+quorum: its servers have no "
                "replicas, and a majority of them has the lock anyway");
  }
  if (options.replication_timeout <= milliseconds::zero() ||
      options.replication_timeout > max_replication_timeout) {
    throw_error(errc::usage,
                "replication_timeout must be longer than zero and at most an hour, or unlimited");
  }
}

Lease LockSpec::lease_of(std::shared_ptr<core::LeaseRecord> record) const {
  return Lease{std::make_shared<LeaseState>(client, std::move(record))};
}

std::optional<Lease> LockSpec::take(std::optional<milliseconds> limit, const std::stop_token& stop,
                                    const std::optional<core::Permits>& permits,
                                    std::int64_t* place) const {
  // Built in place: a moved lease no longer counts as the calling thread's.
  std::int64_t unwanted = 0;
  auto state = obtain(limit, stop, permits, place != nullptr ? *place : unwanted);
  return state ? std::optional<Lease>{std::in_place, std::move(state)} : std::nullopt;
}

Lease LockSpec::take_or_throw(std::optional<milliseconds> limit, const std::stop_token& stop,
                              const std::optional<core::Permits>& permits) const {
  std::int64_t place = 0;
  auto state = obtain(limit, stop, permits, place);
  if (!state) {
    throw TimedOut{too_late(name, *limit, place), ended_wait(place)};
  }
  return Lease{std::move(state)};
}

std::shared_ptr<const EndedWait> LockSpec::ended_wait(std::int64_t place) const {
  return std::make_shared<const EndedWait>(client, std::vector{name}, place);
}

std::optional<core::Permits> LockSpec::permits(std::int64_t weight) const {
  const auto all = capacity.load();
  if (all == 0) {
    return std::nullopt;
  }
  if (weight < 1 || weight > all) {
    throw_error(errc::usage, "cannot acquire " + std::to_string(weight) + " permits of \"" + name +
                                 "\": it has " + std::to_string(all) + ", so ask for 1 to " +
                                 std::to_string(all));
  }
  return core::Permits{weight, all};
}

void LockSpec::refuse_recursion(bool waits_for_ever,
                                const std::optional<core::Permits>& permits) const {
  client->check_process();
  switch (ThreadLeases::of_this_thread().conflict(*this, permits)) {
    case ThreadLeases::Conflict::none:
      return;
    case ThreadLeases::Conflict::same_object:
      throw_recursion(permits.has_value());
    case ThreadLeases::Conflict::other_object:
      if (waits_for_ever) {
        client->count_deadlock(group);
        if (client->has_events()) {
          emit(Event::Kind::deadlock, runtime::now(), permits, 0);
        }
        throw_error(errc::deadlock, "this thread holds the lock \"" + name +
                                        "\" already, through another object, and would wait for "
                                        "itself: use that object, or unlock it first");
      }
  }
}

void LockSpec::throw_recursion(bool is_shared) const {
  throw_error(errc::usage, "this thread holds the lock \"" + name +
                               "\" already, through the same object; " +
                               (is_shared ? "to go from reader to writer use acquire_upgradeable()"
                                          : "to lock it more than once use RecursiveMutex"));
}

// `may_deadlock`: the thread holds other locks meanwhile.
std::shared_ptr<core::LeaseRecord> LockSpec::wait_for(std::optional<milliseconds> limit,
                                                      const std::stop_token& stop,
                                                      const std::optional<core::Permits>& permits,
                                                      bool may_deadlock,
                                                      std::int64_t& place) const {
  if (!may_deadlock || client->is_quorum()) {
    return client->acquire(wanted(), limit, stop, permits, nullptr, &place);
  }
  auto& own = ThreadLeases::of_this_thread();
  const auto tokens = [this, &own] { return own.tokens(*client); };
  const auto begin = runtime::now();
  const DeadlockWatch::Wait wait{DeadlockWatch::of(*client), key, tokens, stop};
  try {
    return client->acquire(wanted(), limit, wait.stop(), permits, nullptr, &place);
  } catch (const Cancelled&) {
    if (const auto ring = wait.ring()) {
      client->count_deadlock(group);
      if (client->has_events()) {
        emit(Event::Kind::deadlock, begin, permits, 0);
      }
      throw_error(errc::deadlock, *ring);
    }
    throw;
  }
}

void LockSpec::emit(Event::Kind kind, core::Instant begin,
                    const std::optional<core::Permits>& permits, std::int64_t place) const {
  Event event;
  event.kind = kind;
  event.name = name;
  event.lock = kind_of(permits);
  event.waited = runtime::now() - begin;
  event.place = place;
  client->emit(std::move(event));
}

std::shared_ptr<LeaseState> LockSpec::obtain(std::optional<milliseconds> limit,
                                             const std::stop_token& stop,
                                             const std::optional<core::Permits>& permits,
                                             std::int64_t& place) const {
  const bool waits = !limit || *limit > milliseconds::zero();
  const bool holds_some = ThreadLeases::of_this_thread().any();
  if (holds_some) {
    refuse_recursion(!limit, permits);
  }
  std::shared_ptr<core::LeaseRecord> record;
  if (waits && (client->has_events() || client->options().slow_wait)) {
    const auto begin = runtime::now();
    const auto slow = SlowWaits::watch(*client, name, kind_of(permits));
    record = wait_for(limit, stop, permits, holds_some, place);
    if (!record && client->has_events()) {
      emit(Event::Kind::timed_out, begin, permits, place);
    }
  } else {
    record = wait_for(limit, stop, permits, waits && holds_some, place);
  }
  if (!record) {
    return nullptr;
  }
  auto state = std::make_shared<LeaseState>(client, std::move(record));
  if (options.min_replicas > 0) {
    try {
      await_replicas({state->record}, stop);
    } catch (...) {  // also for a thread that is cancelled here
      state->release_quietly();
      throw;
    }
  }
  bind_to_thread(state);
  return state;
}

void LockSpec::await_replicas(std::vector<std::shared_ptr<core::LeaseRecord>> records,
                              const std::stop_token& stop) const {
  if (options.min_replicas == 0) {
    return;
  }
  const auto failure = client->replication().await(
      std::move(records), {options.min_replicas, options.replication_timeout}, stop);
  if (failure) {
    throw_error(failure->code, failure->what);
  }
}

Lease LockSpec::exchange(Lease&& former, const core::Permits& permits) const {
  if (!LeaseState::is_of(former, *client, key, permits)) {
    throw_error(errc::usage, "the lease of \"" + former.name() +
                                 "\" cannot be downgraded: pass the lease of a writer of \"" +
                                 name + "\"");
  }
  if (client->is_quorum()) {
    throw_error(errc::usage, "a lease on a majority of servers cannot be downgraded");
  }
  former.ensure_held();
  const auto state = LeaseState::take_from(former);
  auto record = client->acquire(wanted(), milliseconds::zero(), {}, permits, state->record.get());
  if (!record) {
    throw_error(errc::lost, "the lock \"" + name + "\" (fence " +
                                std::to_string(state->record->fence.number()) +
                                ") had ended before it could be downgraded");
  }
  const auto next = std::make_shared<LeaseState>(client, std::move(record));
  bind_to_thread(next);
  return Lease{next};
}

AsyncAcquire LockSpec::async_acquire(const std::optional<core::Permits>& permits,
                                     std::stop_token stop) const {
  return AsyncAcquire{
      [self = shared_from_this(), permits](AcquireHandler handler, const std::stop_token& ends) {
        self->async_acquire(permits, std::move(handler), ends);
      },
      std::move(stop)};
}

void LockSpec::async_acquire(const std::optional<core::Permits>& permits, AcquireHandler handler,
                             const std::stop_token& stop) const {
  async_take(options.wait, stop, permits, std::move(handler));
}

AsyncTryAcquire LockSpec::async_try_acquire(const std::optional<core::Permits>& permits,
                                            milliseconds limit, std::stop_token stop) const {
  return AsyncTryAcquire{[self = shared_from_this(), permits, limit](AcquireHandler handler,
                                                                     const std::stop_token& ends) {
                           self->async_take(limit, ends, permits, std::move(handler));
                         },
                         std::move(stop)};
}

void LockSpec::async_take(std::optional<milliseconds> limit, const std::stop_token& stop,
                          const std::optional<core::Permits>& permits, AcquireHandler handler,
                          std::shared_ptr<EventLoop::Executor> executor) const {
  const bool waits = !limit || *limit > milliseconds::zero();
  if (waits && (client->has_events() || client->options().slow_wait)) {
    handler = [self = shared_from_this(), permits, begin = runtime::now(),
               slow = SlowWaits::watch(*client, name, kind_of(permits)),
               handler = std::move(handler)](AcquireResult result) mutable {
      slow.reset();
      if (result.error == errc::timed_out && self->client->has_events()) {
        self->emit(Event::Kind::timed_out, begin, permits, result.place);
      }
      handler(std::move(result));
    };
  }
  client->async_acquire(
      wanted(), limit, stop, permits,
      [self = shared_from_this(), limit, stop,
       handler = std::move(handler)](Session::Answer& answer) mutable {
        auto* const obtained = std::get_if<core::Obtained>(&answer);
        if (obtained != nullptr && self->options.min_replicas > 0) {
          self->deliver(std::move(obtained->lease), stop, std::move(handler));
        } else {
          handler(self->result_of(answer, limit));
        }
      },
      std::move(executor));
}

// Returns the lease when enough replicas have it; otherwise it is released first.
void LockSpec::deliver(std::shared_ptr<core::LeaseRecord> record, const std::stop_token& stop,
                       AcquireHandler handler) const {
  const auto lease = std::make_shared<Lease>(lease_of(record));
  client->replication().start(
      {std::move(record)}, {options.min_replicas, options.replication_timeout}, stop,
      [self = shared_from_this(), lease,
       handler = std::move(handler)](Replication::Outcome failure) mutable {
        if (!failure) {
          handler({std::move(*lease), {}, {}});
          return;
        }
        async_release(std::move(*lease), [handler = std::move(handler),
                                          failure = std::move(*failure)](std::error_code) mutable {
          handler({{}, failure.code, std::move(failure.what)});
        });
      });
}

AcquireResult LockSpec::result_of(Session::Answer& answer,
                                  std::optional<milliseconds> limit) const {
  if (auto* obtained = std::get_if<core::Obtained>(&answer)) {
    return {lease_of(std::move(obtained->lease)), {}, {}};
  }
  auto& refusal = std::get<core::Refusal>(answer);
  switch (refusal.kind) {
    case core::Refusal::Kind::failed:
      return {{}, refusal.code, std::move(refusal.what)};
    case core::Refusal::Kind::cancelled:
      return {{}, errc::cancelled, "the wait for the lock was cancelled"};
    case core::Refusal::Kind::busy:
    case core::Refusal::Kind::timed_out:
      break;
  }
  return {{},
          errc::timed_out,
          too_late(name, limit.value_or(milliseconds::zero()), refusal.place),
          refusal.place,
          ended_wait(refusal.place)};
}

void destroy(std::shared_ptr<const LockSpec>& spec) noexcept {
  if (spec && spec->client->is_forked()) {
    leave_to_parent(std::move(spec));
  }
}

}  // namespace dlock::detail
