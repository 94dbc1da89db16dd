// Waiting in C++ for something that Ctrl-C may end.
#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <dlock/error.hpp>
#include <exception>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>

#include "border.hpp"

namespace dlock::python {

/// Something that will be there. Any thread may `set()` it, once; one thread waits.
class Event {
 public:
  void set() noexcept;
  /// Waits for `set()` without the GIL, which the caller has; at most for `limit`, and then returns
  /// false. Runs Python's signal handlers as they are due (in the main thread; in others there is
  /// nothing to run) and throws what they raise, as nb::python_error; `Cancelled` when the program
  /// ends.
  [[nodiscard]] bool wait(std::optional<std::chrono::milliseconds> limit);
  /// Waits for `set()`, whatever signals come. Without the GIL.
  void wait_uninterrupted() noexcept;

 private:
  [[nodiscard]] bool is_set() const noexcept {
    return is_set_.load(std::memory_order_acquire) != 0;
  }
  void sleep(const timespec* until) noexcept;

  std::atomic<std::uint32_t> is_set_{0};  // the kernel's futex
};

/// Ends the waits of a thread that waits in the place of somebody else. No other thread has one.
inline thread_local std::stop_token bound_stop;

/// What `function(stop)` returns, which may wait; without the GIL, which the caller has. In the
/// main thread it runs on another one, so that Python's signal handlers run meanwhile: what one
/// raises requests `stop`, and is thrown when the function has returned. So does the end of the
/// program, and the stop that is bound to the thread.
template <class Function>
auto interruptible(bool in_main_thread, Function function) {
  if (GilGate::is_closed()) throw Cancelled(errc::cancelled, "the program is ending");
  std::stop_source stop;
  const std::stop_callback at_end{GilGate::closing(), [&] { stop.request_stop(); }};
  const std::stop_callback when_bound{bound_stop, [&] { stop.request_stop(); }};
  if (!in_main_thread) {
    const WithoutGil without_gil;
    return function(stop.get_token());
  }
  // Not a std::future: it would show our types to others who load this library.
  std::optional<std::invoke_result_t<Function&, std::stop_token>> result;
  std::exception_ptr failure;
  Event done;
  std::jthread thread{[&] {
    try {
      result.emplace(function(stop.get_token()));
    } catch (...) {
      failure = std::current_exception();
    }
    done.set();
  }};
  try {
    static_cast<void>(done.wait(std::nullopt));
  } catch (...) {
    const WithoutGil without_gil;
    stop.request_stop();
    thread.join();
    result.reset();  // a lease that came after all is released now
    throw;
  }
  thread.join();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

}  // namespace dlock::python
