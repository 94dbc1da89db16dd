// Callbacks: the one thread of a client on which user code runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace dlock::runtime {

/// Runs posted functions one after another on a thread of its own, started when first needed.
/// Thread-safe. A function may destroy the Callbacks object, may throw, and may end its thread:
/// then another goes on.
class Callbacks {
  struct Queue;

 public:
  /// Receives what a function threw, on the thread, until the client is gone. Must not throw.
  using Report = std::function<void(const std::string&)>;
  /// `patience`: of the destructor and of `finish`.
  Callbacks(std::chrono::milliseconds patience, Report report);
  /// Lets the thread run what was posted, and end. Does not wait for that longer than `patience`,
  /// nor at all when called on it.
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  /// A handler that is to be called yet, or is being called, as long as this lives.
  class Expected {
   public:
    explicit Expected(const Callbacks& callbacks);
    ~Expected();
    Expected(const Expected&) = delete;
    Expected& operator=(const Expected&) = delete;
    /// False: the client is gone, and did not wait for it any longer.
    [[nodiscard]] bool is_wanted() const;

   private:
    const std::shared_ptr<Queue> queue_;
    const bool is_late_;  ///< begun when the client was gone
  };
  /// The calling thread calls handlers of the client, as long as this lives.
  class Serving {
   public:
    explicit Serving(const Callbacks& callbacks) : Serving(callbacks.queue_.get()) {}
    ~Serving();
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;

   private:
    friend class Callbacks;
    explicit Serving(const Queue* queue);
    const Queue* const before_;
  };

  /// Makes sure that the thread exists, so that a later `post` cannot fail for want of one.
  void start();
  /// What becomes of a function once the client is gone.
  enum class Fate {
    runs,     ///< it runs all the same
    dropped,  ///< unless the client waited for it in vain
    refused,  ///< the same, and none is taken any more
  };
  /// Without a thread to be had the function waits for the next call that finds one.
  void post(std::function<void()> function, Fate fate);
  /// The client goes: waits until all that is expected or was posted has run, for `answers` at
  /// most, and `patience` more for what was posted by then. What is left meets its fate. Does not
  /// wait when called by a handler: then what was posted runs after that one.
  void finish(std::chrono::milliseconds answers);
  /// Whether the calling thread is the one on which functions run.
  [[nodiscard]] bool is_here() const noexcept;

 private:
  struct Posted {
    std::function<void()> run;
    Fate fate;
  };
  static void run(const std::shared_ptr<Queue>& queue);
  static void report(Queue& queue, const std::string& what);
  static void go_on_elsewhere(const std::shared_ptr<Queue>& queue) noexcept;
  void start_locked();

  const std::chrono::milliseconds patience_;
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
};

}  // namespace dlock::runtime
