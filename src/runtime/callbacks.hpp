// Callbacks: the one thread of a client on which user code runs.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace dlock::runtime {

/// Runs posted functions one after another on a thread of its own, started when first needed.
/// Thread-safe. A function may destroy the Callbacks object, may throw, and may end its thread:
/// then another goes on.
class Callbacks {
  struct Queue;

 public:
  /// Receives the texts of exceptions that functions threw, until the client is gone. Runs on the
  /// callback thread. Must not throw.
  using Report = std::function<void(const std::string&)>;
  /// `patience` limits the destructor and `finish`.
  Callbacks(std::chrono::milliseconds patience, Report report);
  /// Lets the thread run the posted functions, and end. Waits for that for at most `patience`, and
  /// not at all on the callback thread itself.
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  /// While this lives, a handler is still to be called, or is running.
  class Expected {
   public:
    explicit Expected(const Callbacks& callbacks);
    ~Expected();
    Expected(const Expected&) = delete;
    Expected& operator=(const Expected&) = delete;
    /// False: the client is gone, and had waited for the handler in vain.
    [[nodiscard]] bool is_wanted() const;

   private:
    const std::shared_ptr<Queue> queue_;
    const bool is_late_;  ///< begun when the client was gone
  };
  /// While this lives, the calling thread runs handlers of the client.
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
  void start() {
    if (!has_thread_) start_first();
  }
  /// The fate of a function once the client is gone.
  enum class Fate {
    runs,     ///< it runs nevertheless
    dropped,  ///< it runs, unless the client waited for it in vain
    refused,  ///< the same, and later ones are refused
  };
  /// A function with its own memory, to be run once.
  class Task {
   public:
    virtual void run() = 0;
    std::shared_ptr<Task> next;  ///< in a row

   protected:
    ~Task() = default;
  };
  /// Tasks that run one after another. Each keeps the next one, so that a row allocates nothing.
  class Row {
   public:
    Row() = default;
    Row(Row&& other) noexcept { *this = std::move(other); }
    Row& operator=(Row&& other) noexcept {
      std::swap(first_, other.first_);
      std::swap(last_, other.last_);
      return *this;
    }
    ~Row() {
      while (!empty()) pop();  // a long row would end one inside the other
    }

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    void push(std::shared_ptr<Task> task) noexcept {
      auto* const last = task.get();
      (empty() ? first_ : last_->next) = std::move(task);
      last_ = last;
    }
    std::shared_ptr<Task> pop() noexcept {
      auto next = std::move(first_->next);
      return std::exchange(first_, std::move(next));
    }

   private:
    std::shared_ptr<Task> first_;
    Task* last_ = nullptr;
  };
  /// If no thread can start, they wait for the next call that can start one.
  void post(Row tasks, Fate fate);
  void post(std::function<void()> function, Fate fate);
  /// To be called when the client ends. Waits until all expected and posted functions have run: for
  /// at most `answers`, and for `patience` more for those that were posted by then. The rest meets
  /// its fate. Does not wait when a handler calls it: the posted functions then run after it.
  void finish(std::chrono::milliseconds answers);
  /// Whether the calling thread is the one on which functions run.
  [[nodiscard]] bool is_here() const noexcept;

 private:
  struct Posted;
  static void run(const std::shared_ptr<Queue>& queue);
  static void run(Queue& queue, Task& task);
  static void report(Queue& queue, const std::string& what);
  static void go_on_elsewhere(const std::shared_ptr<Queue>& queue, Posted&& left) noexcept;
  void start_first();
  void start_locked();

  const std::chrono::milliseconds patience_;
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
  std::atomic<bool> has_thread_{false};
};

}  // namespace dlock::runtime
