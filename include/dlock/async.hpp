/// @file
/// Asynchronous use: waits that cost no thread, ended by a handler or awaited by a coroutine.
#pragma once

#include <atomic>
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

namespace detail {
class EndedWait;
}

/// How an asynchronous acquisition ended: with a lease, or with the reason why there is none.
struct DLOCK_API AcquireResult {
  std::optional<Lease> lease;  ///< none if there is an error
  /// Category `dlock`; `errc::timed_out` when the time limit passed, or the lock was not free when
  /// only tried.
  std::error_code error;
  std::string what;        ///< of an error: what it means and what to do
  std::int64_t place = 0;  ///< of `errc::timed_out`: see `TimedOut::place`
  /// For the library's own classes: what the `TimedOut` of `get()` knows.
  std::shared_ptr<const detail::EndedWait> wait{};

  /// The lease. Throws the exception that belongs to `error`, as the blocking call does: a
  /// `TimedOut` can say who holds the lock.
  [[nodiscard]] Lease get() &&;
  /// The lease; none for `errc::timed_out`. Throws for all other errors.
  [[nodiscard]] std::optional<Lease> get_if() &&;
};

/// Receives the result, once, on the client's callback thread: all handlers of a client run there
/// one after another, so a slow one delays the others (never a renewal). It may use the client, and
/// destroy it. What it throws goes to the client's log.
///
/// A pending call keeps the connection until its handler has run. The end of the `Client` ends the
/// call: see `Client::~Client`. A call made after that, of a lock or lease that lives on, is
/// answered as always.
using AcquireHandler = std::function<void(AcquireResult)>;
/// Receives no error when the server confirmed the release, `errc::lost` when the lease had ended
/// before, `errc::unreachable` when there was no answer (the release is then repeated). Called
/// once, where and how an `AcquireHandler` is.
using ReleaseHandler = std::function<void(std::error_code)>;

namespace detail {

/// Throws what `Lease::release()` throws for this outcome; nothing for none.
DLOCK_API void throw_release_error(std::error_code outcome);

/// What a coroutine awaits, which may be destroyed meanwhile: the one who is first ends it.
template <class Result>
struct Awaited {
  explicit Awaited(std::coroutine_handle<> coroutine) : waiting(coroutine) {}

  const std::coroutine_handle<> waiting;
  Result result{};
  std::stop_source end;  ///< requested when nobody waits any more
  std::atomic<bool> over{false};

  /// False: the coroutine is gone, and nobody wants `value`.
  bool resume(Result& value) {
    if (over.exchange(true)) return false;
    result = std::move(value);
    waiting.resume();
    return true;
  }
  void abandon() noexcept {
    if (!over.exchange(true)) end.request_stop();
  }
};

/// What both awaiters are: started once, resumed on the callback thread.
///
/// The coroutine may be destroyed while it waits, but not while it is being resumed: the wait is
/// cancelled then, and a lease that came all the same is given back.
class AcquireAwaiter {
 public:
  using Start = std::function<void(AcquireHandler, std::stop_token)>;
  AcquireAwaiter(Start start, std::stop_token stop)
      : start_(std::move(start)), stop_(std::move(stop)) {}
  AcquireAwaiter(AcquireAwaiter&&) = default;
  AcquireAwaiter& operator=(AcquireAwaiter&&) = delete;
  ~AcquireAwaiter() {
    if (awaited_) awaited_->abandon();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  inline void await_suspend(std::coroutine_handle<> waiting);

 protected:
  [[nodiscard]] AcquireResult&& result() { return std::move(awaited_->result); }

 private:
  struct Waiting : Awaited<AcquireResult> {
    struct End {
      std::stop_source end;
      void operator()() noexcept { end.request_stop(); }
    };
    Waiting(std::coroutine_handle<> coroutine, const std::stop_token& stop)
        : Awaited(coroutine), on_stop(stop, End{end}) {}
    std::stop_callback<End> on_stop;
  };

  Start start_;
  std::stop_token stop_;
  std::shared_ptr<Waiting> awaited_;
};

}  // namespace detail

/// What `co_await source.async_acquire()` waits for. Throws what `LeaseSource::acquire()` throws.
class [[nodiscard]] AsyncAcquire : public detail::AcquireAwaiter {
 public:
  using AcquireAwaiter::AcquireAwaiter;
  /// The lease. Throws as said.
  [[nodiscard]] Lease await_resume() { return result().get(); }
};

/// What `co_await source.async_try_acquire_for(...)` waits for. Throws what
/// `LeaseSource::try_acquire_for()` throws.
class [[nodiscard]] AsyncTryAcquire : public detail::AcquireAwaiter {
 public:
  using AcquireAwaiter::AcquireAwaiter;
  /// The lease; none if it did not come in time. Throws as said.
  [[nodiscard]] std::optional<Lease> await_resume() { return result().get_if(); }
};

/// Gives `lease` back without waiting; `handler` gets the outcome, or may be empty. Called at once
/// for a lease that holds nothing. Throws `UsageError` in a forked child.
DLOCK_API void async_release(Lease lease, ReleaseHandler handler);

inline void detail::AcquireAwaiter::await_suspend(std::coroutine_handle<> waiting) {
  // The coroutine, and this with it, may be gone before `start` returns.
  const auto awaited = std::make_shared<Waiting>(waiting, stop_);
  awaited_ = awaited;
  const auto start = std::move(start_);
  start(
      [awaited](AcquireResult result) {
        if (!awaited->resume(result) && result.lease) {
          async_release(std::move(*result.lease), nullptr);
        }
      },
      awaited->end.get_token());
}

/// What `co_await async_release(...)` waits for. Throws what `Lease::release()` throws.
class [[nodiscard]] AsyncRelease {
 public:
  /// Takes over what is to be released; releases when it is awaited, at the latest at its own end.
  explicit AsyncRelease(Lease lease) noexcept : lease_(std::move(lease)) {}
  /// The coroutine may be destroyed while it waits; the release goes on.
  ~AsyncRelease() {
    if (awaited_) awaited_->abandon();
  }
  /// Takes over.
  AsyncRelease(AsyncRelease&&) = default;
  AsyncRelease& operator=(AsyncRelease&&) = delete;
  /// Whether there is nothing to release.
  [[nodiscard]] bool await_ready() const noexcept { return !lease_; }
  /// Begins the release; `waiting` is resumed on the client's callback thread.
  DLOCK_API void await_suspend(std::coroutine_handle<> waiting);
  /// Throws if it was not confirmed.
  void await_resume() const {
    if (awaited_) detail::throw_release_error(awaited_->result);
  }

 private:
  Lease lease_;
  std::shared_ptr<detail::Awaited<std::error_code>> awaited_;
};
/// Gives `lease` back without a thread that waits: for `co_await`.
inline AsyncRelease async_release(Lease lease) { return AsyncRelease{std::move(lease)}; }

}  // namespace dlock
