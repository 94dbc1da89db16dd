// Callbacks: the one thread of a client on which user code runs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace dlock::detail {

/// Runs posted functions one after another on a thread of its own, started when first needed.
/// Thread-safe. A function may destroy the Callbacks object.
class Callbacks {
 public:
  /// `patience`: of the destructor.
  explicit Callbacks(std::chrono::milliseconds patience);
  /// Lets the thread run what was posted, and end. Does not wait for that longer than `patience`,
  /// nor at all when called on it.
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  /// Makes sure that the thread exists, so that a later `post` cannot fail for want of one.
  void start();
  /// Without a thread to be had the function waits for the next call that finds one.
  void post(std::function<void()> function);
  /// Whether the calling thread is the one on which functions run.
  [[nodiscard]] bool is_here() const noexcept {
    return id_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> functions;
    bool ending = false;
    bool ended = false;
  };
  static void run(const std::shared_ptr<Queue>& queue);
  void start_locked();

  const std::chrono::milliseconds patience_;
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
  std::atomic<std::thread::id> id_;  ///< of `thread_`, for all to read
};

}  // namespace dlock::detail
