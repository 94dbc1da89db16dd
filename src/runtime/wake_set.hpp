// WakeSet: many sleeping threads, any of which can be woken together by one system call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace dlock::runtime {

/// Its owner has a mutex, and holds it where a function says so.
class WakeSet {
  /// A futex on which 32 threads can sleep, each with a bit of its own.
  struct Futex {
    std::atomic<std::uint32_t> wakes{0};  ///< how many, so that nobody falls asleep after one
    std::atomic<std::uint32_t> free{~std::uint32_t{0}};
  };
  struct Place {
    Futex* futex = nullptr;
    std::uint32_t bits = 0;
  };

 public:
  /// A thread that sleeps, or is about to.
  class Sleeper {
   private:
    friend class WakeSet;
    Place place_;
    std::atomic<std::uint32_t> raised_{0};
  };
  /// Those to be woken.
  using Batch = std::vector<Place>;

  /// With the mutex held: its thread will `await`.
  void add(Sleeper& sleeper);
  /// With the mutex held: `await` is to return `what`, which is not zero. The thread is woken by
  /// `wake`, but may return before that.
  void raise(Sleeper& sleeper, std::uint32_t what);
  /// With the mutex held: those raised since the last call.
  [[nodiscard]] Batch take() { return std::exchange(raised_, {}); }

  /// Without the mutex, since threads that are woken want it.
  static void wake(const Batch& batch) noexcept;
  /// Without the mutex: sleeps until the calling thread is raised. Returns what was raised, and
  /// forgets the sleeper. With `is_cancellable` pthread_cancel() ends the sleep, if the thread
  /// allows it.
  static std::uint32_t await(Sleeper& sleeper, bool is_cancellable);
  /// Instead of `await`, or after a pthread_cancel() in it.
  static void forget(Sleeper& sleeper) noexcept;

 private:
  std::vector<std::unique_ptr<Futex>> futexes_;
  std::size_t last_ = 0;  ///< where a place was last free
  Batch raised_;
};

}  // namespace dlock::runtime
