// The border between Python and the library's threads, and its closing before the interpreter ends.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <dlock/error.hpp>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

namespace dlock::python {

namespace nb = nanobind;

/// Counts the threads that are about to take the GIL: those of the library that call back, and
/// those of Python that are in a call of the library. After `close()` nobody is, and nobody begins:
/// an interpreter that is ending ends a thread that asks for the GIL wherever it stands, and with
/// C++ below it the process. So no call gives up the GIL while it is not counted, nor runs Python
/// code, which may.
class GilGate {
 public:
  /// Whether the caller may take the GIL; then it must `leave()`.
  static bool enter() noexcept {
    ++ours_;
    if ((inside_.fetch_add(1) & closed) == 0) return true;
    leave();
    return false;
  }
  static void leave() noexcept {
    --ours_;
    inside_.fetch_sub(1);
    inside_.notify_all();
  }
  [[nodiscard]] static bool is_closed() noexcept { return (inside_ & closed) != 0; }
  /// Requested when it closes: ends what waits inside.
  [[nodiscard]] static std::stop_token closing() { return closing_.get_token(); }
  /// Waits for those who are inside. To be called without the GIL.
  static void close() noexcept {
    closing_.request_stop();
    for (unsigned inside = inside_.fetch_or(closed) | closed; inside != closed;
         inside = inside_.load()) {
      inside_.wait(inside);
    }
  }
  /// In a forked child, which has none of those threads but this one.
  static void reset() {
    inside_ = ours_;
    closing_ = std::stop_source{};
  }

 private:
  static constexpr unsigned closed = 1U << 31;
  static inline std::atomic<unsigned> inside_{0};
  static inline thread_local unsigned ours_ = 0;  ///< how often this thread is inside
  static inline std::stop_source closing_;
};

/// Without the GIL, for a call that may block. The thread has it again afterwards. With it, once
/// the gate is closed.
class WithoutGil {
 public:
  WithoutGil() {
    if (is_inside_) gil_.emplace();
  }
  ~WithoutGil() {
    gil_.reset();
    if (is_inside_) GilGate::leave();
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  const bool is_inside_ = GilGate::enter();
  std::optional<nb::gil_scoped_release> gil_;
};

/// A Python function that any thread may call and drop.
class Callback {
 public:
  /// With the GIL.
  explicit Callback(nb::callable function) : function_(std::move(function)) {}
  ~Callback() {
    if (GilGate::enter()) {
      {
        const nb::gil_scoped_acquire gil;
        function_.reset();
      }
      GilGate::leave();
    } else {
      static_cast<void>(function_.release());  // the interpreter is ending, and all goes with it
    }
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

  /// Calls it with what `arguments()` makes, a tuple, under the GIL. What it raises is reported as
  /// Python reports errors that nobody can catch. Nothing once the interpreter is ending.
  template <class Arguments>
  void call(Arguments arguments) const noexcept {
    if (!GilGate::enter()) return;
    {
      const nb::gil_scoped_acquire gil;
      try {
        function_(*nb::tuple(arguments()));
      } catch (nb::python_error& error) {
        error.discard_as_unraisable(function_);
      } catch (...) {
        // Out of memory for the arguments: what they stood for is dropped.
      }
    }
    GilGate::leave();
  }

  /// What it returns for `argument()`, made by `result` of the object that it returned; both run
  /// under the GIL. Throws what it raises.
  template <class Argument, class Result>
  auto ask(Argument argument, Result result) const {
    if (!GilGate::enter()) throw Cancelled(errc::cancelled, "the program is ending");
    struct Inside {
      ~Inside() { GilGate::leave(); }
    } const inside;
    const nb::gil_scoped_acquire gil;
    return result(function_(argument()));
  }

 private:
  nb::callable function_;
};

using SharedCallback = std::shared_ptr<const Callback>;

}  // namespace dlock::python
