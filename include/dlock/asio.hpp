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

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <unordered_set>
#include <utility>

#include "dlock/async.hpp"
#include "dlock/error.hpp"
#include "dlock/lease_source.hpp"

/// Asynchronous calls for Asio and Boost.Asio, of <dlock/asio.hpp>.
namespace dlock::asio {
namespace detail {

namespace net = DLOCK_ASIO_NAMESPACE;

/// What waits for the library on behalf of an execution context.
class Waiting {
 public:
  virtual ~Waiting() = default;
  /// Destroys the handler, and ends the wait: the context goes.
  virtual void abandon() noexcept = 0;
};

/// What waits on behalf of one context. Thread-safe; outlives the context.
class WaitingRoom {
 public:
  /// False: the context is going.
  [[nodiscard]] bool enter(const std::shared_ptr<Waiting>& one) {
    const std::lock_guard lock{mutex_};
    return !is_closed_ && inside_.insert(one).second;
  }
  /// Runs `deliver`, which may use the context, unless that went before; `one` is inside no more.
  template <class Deliver>
  void leave(const std::shared_ptr<Waiting>& one, Deliver deliver) {
    {
      const std::lock_guard lock{mutex_};
      if (inside_.erase(one) == 0) return;
      ++leaving_;
    }
    const Left left{*this};
    deliver();
  }
  /// Abandons all that are inside.
  void close() {
    std::unique_lock lock{mutex_};
    is_closed_ = true;
    auto abandoned = std::exchange(inside_, {});
    left_.wait(lock, [this] { return leaving_ == 0; });
    lock.unlock();
    for (const auto& one : abandoned) one->abandon();
  }

 private:
  struct Left {
    WaitingRoom& room;
    ~Left() {
      const std::lock_guard lock{room.mutex_};
      if (--room.leaving_ == 0) room.left_.notify_all();
    }
  };
  std::mutex mutex_;
  std::condition_variable left_;
  std::unordered_set<std::shared_ptr<Waiting>> inside_;
  int leaving_ = 0;
  bool is_closed_ = false;
};

/// Tells the waiting room of a context that the context goes.
class Service final : public net::execution_context::service {
 public:
  using key_type = Service;
  inline static net::execution_context::id id;
  explicit Service(net::execution_context& context) : service(context) {}
  [[nodiscard]] const std::shared_ptr<WaitingRoom>& room() const noexcept { return room_; }

 private:
  void shutdown() override { room_->close(); }
  const std::shared_ptr<WaitingRoom> room_ = std::make_shared<WaitingRoom>();
};

/// That of the executor's context; of an executor that has none, one that nobody closes.
template <class Executor>
std::shared_ptr<WaitingRoom> room_of(const Executor& executor) {
  const auto room = [](net::execution_context& context) {
    return net::use_service<Service>(context).room();
  };
  if constexpr (requires { room(net::query(executor, net::execution::context)); }) {
    return room(net::query(executor, net::execution::context));
  } else if constexpr (requires { room(executor.context()); }) {
    return room(executor.context());
  } else {
    return std::make_shared<WaitingRoom>();
  }
}

/// Brings a result from the library's thread to where the handler wants to run, and a cancellation
/// the other way. Keeps the executor busy meanwhile.
template <class Handler>
class Operation final : public Waiting {
 public:
  explicit Operation(Handler handler)
      : wanted_(std::in_place, std::move(handler)), room_(room_of(wanted_->work.get_executor())) {
    auto slot = net::get_associated_cancellation_slot(wanted_->handler);
    if (slot.is_connected()) {
      slot.assign([stop = stop_](net::cancellation_type type) mutable {
        if (type != net::cancellation_type::none) {
          stop.request_stop();
        }
      });
    }
  }
  void abandon() noexcept override {
    stop_.request_stop();
    wanted_.reset();
  }

  /// The library's handler has it: tells the waiting one if that is destroyed without a call.
  template <class... Results>
  class Link {
   public:
    explicit Link(std::shared_ptr<Operation> operation) : operation_(std::move(operation)) {}
    ~Link() {
      operation_->room_->leave(operation_, [this] {
        Cancelled error{errc::cancelled, "the client ended, and another handler kept this waiting"};
        operation_->post(std::make_exception_ptr(std::move(error)), Results{}...);
      });
    }
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    [[nodiscard]] std::stop_token stop() const { return operation_->stop_.get_token(); }
    void complete(std::exception_ptr error, Results... results) const {
      operation_->room_->leave(operation_,
                               [&] { operation_->post(std::move(error), std::move(results)...); });
    }

   private:
    const std::shared_ptr<Operation> operation_;
  };

  /// Begins: `start` gets the link that is to be completed. Does nothing on a context that goes.
  template <class... Results, class Start>
  static void run(Handler handler, Start start) {
    const auto self = std::make_shared<Operation>(std::move(handler));
    if (!self->room_->enter(self)) {
      self->abandon();
      return;
    }
    const auto link = std::make_shared<const Link<Results...>>(self);
    try {
      start(link);
    } catch (...) {
      self->room_->leave(self, [&] { self->abandon(); });
      throw;
    }
  }

 private:
  struct Wanted {
    explicit Wanted(Handler what)
        : handler(std::move(what)), work(net::get_associated_executor(handler)) {}
    Handler handler;
    net::executor_work_guard<net::associated_executor_t<Handler>> work;
  };

  template <class... Results>
  void post(Results... results) {
    auto wanted = std::move(*wanted_);
    wanted_.reset();
    const auto executor = wanted.work.get_executor();
    net::post(executor, [wanted = std::move(wanted), ... results = std::move(results)]() mutable {
      net::get_associated_cancellation_slot(wanted.handler).clear();
      auto handler = std::move(wanted.handler);
      wanted.work.reset();
      std::move(handler)(std::move(results)...);
    });
  }

  std::stop_source stop_;
  std::optional<Wanted> wanted_;  ///< none: it is posted, or abandoned
  const std::shared_ptr<WaitingRoom> room_;
};

/// Completes a link when a lease is lost or the wait is cancelled. Keeps itself until then.
template <class Link>
class LossWatch {
 public:
  static void start(std::shared_ptr<const Link> link, const std::stop_token& lost) {
    const auto watch = std::make_shared<LossWatch>();
    watch->self_ = watch;
    watch->link_ = std::move(link);
    const auto end = [one = watch.get()](const char* error) { one->end(error); };
    watch->on_loss_.emplace(lost, [end] { end(nullptr); });
    watch->on_cancel_.emplace(watch->link_->stop(),
                              [end] { end("the wait for a loss was cancelled"); });
  }

 private:
  void end(const char* error) {
    if (is_over_.exchange(true)) return;
    const auto last = std::move(self_);
    link_->complete(error == nullptr ? nullptr
                                     : std::make_exception_ptr(Cancelled{errc::cancelled, error}));
  }

  std::atomic<bool> is_over_{false};
  std::shared_ptr<LossWatch> self_;
  std::shared_ptr<const Link> link_;
  std::optional<std::stop_callback<std::function<void()>>> on_loss_;
  std::optional<std::stop_callback<std::function<void()>>> on_cancel_;
};

template <class Link>
void watch_loss(std::shared_ptr<const Link> link, const std::stop_token& lost) {
  LossWatch<Link>::start(std::move(link), lost);
}

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
        Operation<decltype(handler)>::template run<Result>(
            std::move(handler), [&](const auto& link) {
              start(
                  [link, get](AcquireResult result) {
                    auto [error, taken] = caught<Result>([&] { return get(std::move(result)); });
                    link->complete(std::move(error), std::move(taken));
                  },
                  link->stop());
            });
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

/// Waits for a lease from `source`: a `Mutex`, a side of a `SharedMutex`, or permits of a
/// `Semaphore`. Completes with `void(std::exception_ptr, Lease)` on the handler's executor. The
/// errors are those of `LeaseSource::acquire()`; the handler's cancellation slot ends the wait with
/// `Cancelled`. The lock object may be gone before the wait ends.
///
/// The execution context and the `Client` may end in either order. A context that is destroyed
/// destroys the handlers (and coroutines) that are pending there, without calling them; their waits
/// are cancelled, and a lease that arrives nevertheless is given back. The end of the `Client`
/// completes what is pending with `Cancelled`. An operation that completes while no thread runs the
/// context waits for the next thread that does. All operations in this header share these rules.
template <class CompletionToken>
auto async_acquire(const LeaseSource& source, CompletionToken&& token) {
  return detail::acquire(
      [source](AcquireHandler handler, std::stop_token stop) {
        source.async_acquire(std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// Waits for a lease from `source` for at most `span`; a span of zero or less tries once. Completes
/// with `void(std::exception_ptr, std::optional<Lease>)`.
template <class Rep, class Period, class CompletionToken>
auto async_try_acquire_for(const LeaseSource& source,
                           const std::chrono::duration<Rep, Period>& span,
                           CompletionToken&& token) {
  return detail::try_acquire(
      [source, span](AcquireHandler handler, std::stop_token stop) {
        source.async_try_acquire_for(span, std::move(handler), std::move(stop));
      },
      std::forward<CompletionToken>(token));
}

/// Gives a lease back; completes with `void(std::exception_ptr)`: `LockLost` or `Unreachable` as
/// `Lease::release()`.
template <class CompletionToken>
auto async_release(Lease lease, CompletionToken&& token) {
  return detail::net::async_initiate<CompletionToken, void(std::exception_ptr)>(
      [](auto handler, Lease held) {
        detail::Operation<decltype(handler)>::run(std::move(handler), [&](const auto& link) {
          dlock::async_release(std::move(held), [link](std::error_code code) {
            auto error = detail::caught<int>([&] {
              dlock::detail::throw_release_error(code);
              return 0;
            });
            link->complete(std::move(error.first));
          });
        });
      },
      token, std::move(lease));
}

/// Waits until `lease` is lost. Completes with `void(std::exception_ptr)`: no exception when it is
/// lost, `Cancelled` when the handler's cancellation slot ended the wait. A release does not end
/// it: cancel it before, as `co_await (work() || async_lost(lease, use_awaitable))` does.
template <class CompletionToken>
auto async_lost(const Lease& lease, CompletionToken&& token) {
  return detail::net::async_initiate<CompletionToken, void(std::exception_ptr)>(
      [](auto handler, std::stop_token lost) {
        detail::Operation<decltype(handler)>::run(
            std::move(handler), [&](const auto& link) { detail::watch_loss(link, lost); });
      },
      token, lease.lost());
}

}  // namespace dlock::asio
