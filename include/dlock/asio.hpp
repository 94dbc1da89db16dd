/// @file
/// For users of Asio or Boost.Asio: the asynchronous calls with completion tokens.
///
/// Not part of <dlock/dlock.hpp>. Uses standalone Asio (1.19 or newer) where there is one, or else
/// Boost.Asio (Boost 1.77 or newer); define DLOCK_BOOST_ASIO for Boost's where both are installed.
#pragma once

#if !defined(DLOCK_BOOST_ASIO) && __has_include(<asio.hpp>)
#include <asio.hpp>
#define DLOCK_ASIO_NAMESPACE ::asio
#elif __has_include(<boost/asio.hpp>)
#include <boost/asio.hpp>
#define DLOCK_ASIO_NAMESPACE ::boost::asio
#else
#error "<dlock/asio.hpp> needs Asio or Boost.Asio"
#endif

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "dlock/async.hpp"
#include "dlock/mutex.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"

/// Asynchronous calls for Asio and Boost.Asio, of <dlock/asio.hpp>.
namespace dlock::asio {
namespace detail {

namespace net = DLOCK_ASIO_NAMESPACE;

/// Brings a result from the library's thread to where the handler wants to run, and a cancellation
/// the other way. Keeps the executor busy meanwhile.
template <class Handler>
class Operation {
 public:
  explicit Operation(Handler handler)
      : handler_(std::move(handler)), work_(net::get_associated_executor(handler_)) {
    auto slot = net::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) {
      slot.assign([stop = stop_](net::cancellation_type type) mutable {
        if (type != net::cancellation_type::none) {
          stop.request_stop();
        }
      });
    }
  }
  [[nodiscard]] std::stop_token stop() const { return stop_.get_token(); }

  template <class... Results>
  static void complete(std::shared_ptr<Operation> self, Results... results) {
    const auto executor = self->work_.get_executor();
    net::post(executor, [self = std::move(self), ... results = std::move(results)]() mutable {
      net::get_associated_cancellation_slot(self->handler_).clear();
      auto handler = std::move(self->handler_);
      self.reset();  // before the handler, which may ask for the next lock
      std::move(handler)(std::move(results)...);
    });
  }

 private:
  std::stop_source stop_;
  Handler handler_;
  net::executor_work_guard<net::associated_executor_t<Handler>> work_;
};

template <class Result, class Get>
std::pair<std::exception_ptr, Result> caught(Get get) {
  try {
    return {nullptr, get()};
  } catch (...) {
    return {std::current_exception(), Result{}};
  }
}

/// What all ways to acquire share: `start(handler, stop)` begins, `get` takes what is asked for out
/// of the result.
template <class Result, class Start, class Get, class CompletionToken>
auto initiate(Start start, Get get, CompletionToken&& token) {
  return net::async_initiate<CompletionToken, void(std::exception_ptr, Result)>(
      [start = std::move(start), get](auto handler) mutable {
        using Operation = detail::Operation<decltype(handler)>;
        const auto operation = std::make_shared<Operation>(std::move(handler));
        start(
            [operation, get](AcquireResult result) {
              auto [error, taken] = caught<Result>([&] { return get(std::move(result)); });
              Operation::complete(operation, std::move(error), std::move(taken));
            },
            operation->stop());
      },
      token);
}

template <class Start, class CompletionToken>
auto acquire(Start start, CompletionToken&& token) {
  return initiate<Lease>(
      std::move(start), [](AcquireResult&& result) { return std::move(result).get(); },
      std::forward<CompletionToken>(token));
}

template <class Start, class CompletionToken>
auto try_acquire(Start start, CompletionToken&& token) {
  return initiate<std::optional<Lease>>(
      std::move(start), [](AcquireResult&& result) { return std::move(result).get_if(); },
      std::forward<CompletionToken>(token));
}

}  // namespace detail

/// A lock whose `async_acquire()` needs nothing but a handler: `Mutex`, `SharedMutex`.
template <class Lock>
concept AsyncLock = requires(Lock& lock, AcquireHandler handler, std::stop_token stop) {
  lock.async_acquire(handler, stop);
};

/// Waits for the lock; completes with `void(std::exception_ptr, Lease)` on the handler's executor.
/// Errors are those of the lock's `acquire()`; the handler's cancellation slot ends the wait with
/// `Cancelled`. The lock must live until the operation has been started. So for all that follow.
template <AsyncLock Lock, class CompletionToken>
auto async_acquire(Lock& lock, CompletionToken&& token) {
  return detail::acquire(
      [&lock](AcquireHandler handler, std::stop_token stop) {
        lock.async_acquire(std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// For a reader.
template <class CompletionToken>
auto async_acquire_shared(SharedMutex& mutex, CompletionToken&& token) {
  return detail::acquire(
      [&mutex](AcquireHandler handler, std::stop_token stop) {
        mutex.async_acquire_shared(std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// For `weight` permits.
template <class CompletionToken>
auto async_acquire(Semaphore& semaphore, std::int64_t weight, CompletionToken&& token) {
  return detail::acquire(
      [&semaphore, weight](AcquireHandler handler, std::stop_token stop) {
        semaphore.async_acquire(weight, std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// Waits at most `span`, a span of zero or less tries once; completes with
/// `void(std::exception_ptr, std::optional<Lease>)`.
template <AsyncLock Lock, class Rep, class Period, class CompletionToken>
auto async_try_acquire_for(Lock& lock, const std::chrono::duration<Rep, Period>& span,
                           CompletionToken&& token) {
  return detail::try_acquire(
      [&lock, span](AcquireHandler handler, std::stop_token stop) {
        lock.async_try_acquire_for(span, std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// For a reader.
template <class Rep, class Period, class CompletionToken>
auto async_try_acquire_shared_for(SharedMutex& mutex,
                                  const std::chrono::duration<Rep, Period>& span,
                                  CompletionToken&& token) {
  return detail::try_acquire(
      [&mutex, span](AcquireHandler handler, std::stop_token stop) {
        mutex.async_try_acquire_shared_for(span, std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// For `weight` permits.
template <class Rep, class Period, class CompletionToken>
auto async_try_acquire_for(Semaphore& semaphore, const std::chrono::duration<Rep, Period>& span,
                           std::int64_t weight, CompletionToken&& token) {
  return detail::try_acquire(
      [&semaphore, span, weight](AcquireHandler handler, std::stop_token stop) {
        semaphore.async_try_acquire_for(span, weight, std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// Gives a lease back; completes with `void(std::exception_ptr)`: `LockLost` or `Unreachable` as
/// `Lease::release()`.
template <class CompletionToken>
auto async_release(Lease lease, CompletionToken&& token) {
  return detail::net::async_initiate<CompletionToken, void(std::exception_ptr)>(
      [](auto handler, Lease held) {
        using Operation = detail::Operation<decltype(handler)>;
        const auto operation = std::make_shared<Operation>(std::move(handler));
        dlock::async_release(std::move(held), [operation](std::error_code code) {
          auto error = detail::caught<int>([&] {
            dlock::detail::throw_release_error(code);
            return 0;
          });
          Operation::complete(operation, std::move(error.first));
        });
      },
      token, std::move(lease));
}

}  // namespace dlock::asio
