// Callbacks: the one thread of a client on which user code runs.
#pragma once

#include <atomic>
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
  Callbacks();
  /// Runs what was posted, then ends the thread; does not wait for it when called on it.
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  /// Makes sure that the thread exists, so that a later `post` cannot fail for want of one.
  void start();
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
  };
  static void run(const std::shared_ptr<Queue>& queue);
  void start_locked();

  std::shared_ptr<Queue> queue_;
  std::thread thread_;
  std::atomic<std::thread::id> id_;  ///< of `thread_`, for all to read
};

}  // namespace dlock::detail
