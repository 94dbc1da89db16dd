/// @file
/// Once in a period: run a job once, however many schedulers start it.
#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/until.hpp"

namespace dlock {

/// Settings of work that is done once in a period.
struct OnceOptions {
  /// The minimum time from one begin to the next, even if the work is done sooner. Longer than the
  /// schedulers' clocks may be apart, and shorter than their period. Positive.
  Span at_least{60'000};
  /// How long the work may take, and how long a process that died in it blocks the others. The
  /// lease is not renewed. At least `at_least` and 10 ms, at most 10 years, which `hours::max()`
  /// stands for.
  Span at_most{3'600'000};
  /// At least this many replicas must have the lock too, as `LockOptions::min_replicas` says.
  std::int64_t min_replicas = 0;
  /// The longest time to wait for those replicas.
  Span replication_timeout{1'000};
};

/// Returns a lease to do the work, or none if another client does it now, did it less than
/// `at_least` ago, or waits for a `Mutex` of this name. Takes at most one round trip. A release of
/// the lease before `at_least` has passed, also by its destructor, frees the lock only then.
/// Thread-safe.
///
/// Throws `UsageError` for options out of range, and otherwise what `LeaseSource::try_acquire()`
/// throws.
[[nodiscard]] DLOCK_API std::optional<Lease> begin_once(Client& client, std::string_view name,
                                                        OnceOptions options = {});

namespace detail {
/// Throws `LockLost` if the lease had ended before.
DLOCK_API void end_once(Lease lease);

/// The result of a coroutine or a generator, most of whose body runs after its call has returned.
template <class Result>
concept Coroutine = requires { typename std::coroutine_traits<Result>::promise_type; } ||
                    requires(Result& result) { result.await_ready(); };

template <class Work, class... Arguments>
void do_once(Work&& work, Arguments&&... arguments) {
  static_assert(!Coroutine<std::invoke_result_t<Work, Arguments...>>,
                "run_once gives the lease back when `work` returns, and a coroutine runs on after "
                "that: keep the lease of begin_once() in the coroutine instead");
  std::forward<Work>(work)(std::forward<Arguments>(arguments)...);
}
}  // namespace detail

/// Does `work()` or `work(const Lease&)`, unless another client does it or did it less than
/// `at_least` ago (see `begin_once`). Returns whether it did. An exception of `work` reaches the
/// caller, and the work counts as done. A coroutine does not compile, since it would run on without
/// the lease. Work that may come near `at_most` should look at `lost()` of the lease.
///
///     dlock::run_once(client, "nightly", {.at_least = 5min, .at_most = 1h}, [] { report(); });
///
/// Throws `LockLost` when the work is done but took longer than `at_most`, or the lock was lost
/// otherwise: then another client may have done it at the same time.
template <class Work>
  requires std::invocable<Work> || std::invocable<Work, const Lease&>
bool run_once(Client& client, std::string_view name, OnceOptions options, Work&& work) {
  auto lease = begin_once(client, name, options);
  if (!lease) {
    return false;
  }
  if constexpr (std::invocable<Work, const Lease&>) {
    detail::do_once(std::forward<Work>(work), std::as_const(*lease));
  } else {
    detail::do_once(std::forward<Work>(work));
  }
  detail::end_once(std::move(*lease));
  return true;
}

}  // namespace dlock
