/// @file
/// Asynchronous use: waits that cost no thread, ended by a handler or awaited by a coroutine.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>

#include "dlock/export.h"
#include "dlock/lease.hpp"

namespace dlock {

/// How an asynchronous acquisition ended: with a lease, or with the reason why there is none.
struct DLOCK_API AcquireResult {
  std::optional<Lease> lease;  ///< none if there is an error
  /// Category `dlock`; `errc::timed_out` when the time limit passed, or the lock was not free when
  /// only tried.
  std::error_code error;
  std::string what;  ///< of an error: what it means and what to do

  /// The lease. Throws the exception that belongs to `error`, as the blocking call does.
  [[nodiscard]] Lease get() &&;
  /// The lease; none for `errc::timed_out`. Throws for all other errors.
  [[nodiscard]] std::optional<Lease> get_if() &&;
};

/// Receives the result, once, on the client's callback thread: all handlers of a client run there
/// one after another, so a slow one delays the others (never a renewal). It may use the client, and
/// must not throw.
using AcquireHandler = std::function<void(AcquireResult)>;
/// Receives no error when the server confirmed the release, `errc::lost` when the lease had ended
/// before, `errc::unreachable` when there was no answer (the release is then repeated). As above.
using ReleaseHandler = std::function<void(std::error_code)>;

namespace detail {

/// Throws what `Lease::release()` throws for this outcome; nothing for none.
DLOCK_API void throw_release_error(std::error_code outcome);

/// What both awaiters are: started once, resumed on the callback thread.
///
/// The coroutine must stay alive until it is resumed: to end the wait early, request the stop
/// token.
class AcquireAwaiter {
 public:
  using Start = std::function<void(AcquireHandler)>;
  explicit AcquireAwaiter(Start start) : start_(std::move(start)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    // The coroutine, and this with it, may be gone before `start` returns.
    const auto start = std::move(start_);
    start([this, waiting](AcquireResult result) {
      result_ = std::move(result);
      waiting.resume();
    });
  }

 protected:
  AcquireResult result_;

 private:
  Start start_;
};

}  // namespace detail

/// What `co_await mutex.async_acquire()` waits for. Throws as `Mutex::acquire()`.
class [[nodiscard]] AsyncAcquire : public detail::AcquireAwaiter {
 public:
  using AcquireAwaiter::AcquireAwaiter;
  /// The lease. Throws as said.
  [[nodiscard]] Lease await_resume() { return std::move(result_).get(); }
};

/// What `co_await mutex.async_try_acquire_for(...)` waits for. Throws as
/// `Mutex::try_acquire_for()`.
class [[nodiscard]] AsyncTryAcquire : public detail::AcquireAwaiter {
 public:
  using AcquireAwaiter::AcquireAwaiter;
  /// The lease; none if it did not come in time. Throws as said.
  [[nodiscard]] std::optional<Lease> await_resume() { return std::move(result_).get_if(); }
};

/// Gives `lease` back without waiting; `handler` gets the outcome, or may be empty. Called at once
/// for a lease that holds nothing. Throws `UsageError` in a forked child.
DLOCK_API void async_release(Lease lease, ReleaseHandler handler);

/// What `co_await async_release(...)` waits for. Throws as `Lease::release()`.
class [[nodiscard]] AsyncRelease {
 public:
  /// Takes over what is to be released; releases when it is awaited, at the latest at its own end.
  explicit AsyncRelease(Lease lease) noexcept : lease_(std::move(lease)) {}
  /// Whether there is nothing to release.
  [[nodiscard]] bool await_ready() const noexcept { return !lease_; }
  /// Begins the release; `waiting` is resumed on the client's callback thread.
  DLOCK_API void await_suspend(std::coroutine_handle<> waiting);
  /// Throws if it was not confirmed.
  void await_resume() const { detail::throw_release_error(error_); }

 private:
  Lease lease_;
  std::error_code error_;
};
/// Gives `lease` back without a thread that waits: for `co_await`.
inline AsyncRelease async_release(Lease lease) { return AsyncRelease{std::move(lease)}; }

}  // namespace dlock
