// The callback thread.
#include "runtime/callbacks.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/background_thread.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/forced_unwind.hpp"

namespace dlock::runtime {
namespace {

// The queue whose handlers this thread calls.
thread_local const void* served = nullptr;

}  // namespace

struct Callbacks::Posted {
  Row tasks;
  Fate fate;
};

struct Callbacks::Queue {
  std::mutex mutex;
  std::condition_variable posted;   ///< for the thread, so that nothing else wakes it
  std::condition_variable changed;  ///< for those who wait for its end, or that of handlers
  std::deque<Posted> posts;
  Report report;
  std::size_t expected = 0;
  std::atomic<std::thread::id> thread;
  bool runs = false;
  bool finished = false;           ///< the client is gone
  std::atomic<bool> drops{false};  ///< ... and had waited in vain
  bool ending = false;
  bool ended = false;

  [[nodiscard]] bool is_done() const { return expected == 0 && posts.empty() && !runs; }
};

Callbacks::Expected::Expected(const Callbacks& callbacks)
    : queue_(callbacks.queue_), is_late_([this] {
        const std::lock_guard lock{queue_->mutex};
        ++queue_->expected;
        return queue_->finished;
      }()) {}

Callbacks::Expected::~Expected() {
  const std::lock_guard lock{queue_->mutex};
  if (--queue_->expected == 0) queue_->changed.notify_all();
}

bool Callbacks::Expected::is_wanted() const { return is_late_ || !queue_->drops; }

Callbacks::Serving::Serving(const Queue* queue) : before_(static_cast<const Queue*>(served)) {
  served = queue;
}

Callbacks::Serving::~Serving() { served = before_; }

Callbacks::Callbacks(std::chrono::milliseconds patience, Report report)
    : patience_(patience), queue_(std::make_shared<Queue>()) {
  queue_->report = std::move(report);
}

Callbacks::~Callbacks() {
  if (!thread_.joinable()) {
    return;
  }
  const Cancellation none{PTHREAD_CANCEL_DISABLE};
  bool ended = false;
  {
    std::unique_lock lock{queue_->mutex};
    queue_->ending = true;
    queue_->posted.notify_all();
    ended =
        !is_here() && queue_->changed.wait_for(lock, patience_, [this] { return queue_->ended; });
  }
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();  // it owns all that it needs
  }
}

void Callbacks::start_first() {
  const std::lock_guard lock{queue_->mutex};
  start_locked();
}

void Callbacks::start_locked() {
  if (!thread_.joinable() && !queue_->ending) {
    thread_ = background_thread([queue = queue_] { run(queue); });
    has_thread_ = true;
  }
}

void Callbacks::post(std::function<void()> function, Fate fate) {
  struct Call final : Task {
    explicit Call(std::function<void()>&& its_function) : function(std::move(its_function)) {}
    void run() override { function(); }
    std::function<void()> function;
  };
  Row row;
  row.push(std::make_shared<Call>(std::move(function)));
  post(std::move(row), fate);
}

void Callbacks::post(Row tasks, Fate fate) {
  {
    const std::lock_guard lock{queue_->mutex};
    if (fate == Fate::refused && queue_->finished) {
      return;
    }
    queue_->posts.push_back({std::move(tasks), fate});
    try {
      start_locked();
    } catch (const std::system_error&) {
      return;  // no thread is available: the next call tries again
    }
  }
  queue_->posted.notify_all();
}

void Callbacks::finish(std::chrono::milliseconds answers) {
  std::vector<Posted> dropped;  // destroyed without the mutex
  std::unique_lock lock{queue_->mutex};
  const auto is_done = [this] { return queue_->is_done(); };
  if (served == queue_.get()) {
    queue_->finished = true;
    return;
  }
  const bool had_time = queue_->changed.wait_for(lock, answers, is_done) ||
                        queue_->changed.wait_for(lock, patience_, is_done);
  queue_->finished = true;
  queue_->drops = !had_time;
  if (!had_time) {
    for (auto& posted : queue_->posts) {
      if (posted.fate != Fate::runs) dropped.push_back(std::move(posted));
    }
    std::erase_if(queue_->posts, [](const Posted& posted) { return posted.fate != Fate::runs; });
  }
}

bool Callbacks::is_here() const noexcept {
  return queue_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void Callbacks::report(Queue& queue, const std::string& what) {
  {
    const std::lock_guard lock{queue.mutex};
    if (queue.finished) return;
  }
  queue.report(what);
}

void Callbacks::go_on_elsewhere(const std::shared_ptr<Queue>& queue, Posted&& left) noexcept {
  const std::lock_guard lock{queue->mutex};
  if (!left.tasks.empty()) queue->posts.push_front(std::move(left));
  queue->runs = false;
  queue->changed.notify_all();
  try {
    background_thread([queue] { run(queue); }).detach();
  } catch (const std::system_error&) {
    return;  // no thread is available
  }
}

void Callbacks::run(const std::shared_ptr<Queue>& queue) {
  queue->thread = std::this_thread::get_id();
  const Serving serving{queue.get()};
  std::unique_lock lock{queue->mutex};
  while (true) {
    queue->posted.wait(lock, [&] { return !queue->posts.empty() || queue->ending; });
    if (queue->posts.empty()) {
      queue->ended = true;
      queue->changed.notify_all();
      return;
    }
    auto posted = std::move(queue->posts.front());
    queue->posts.pop_front();
    queue->runs = true;
    lock.unlock();
    try {
      while (!posted.tasks.empty()) run(*queue, *posted.tasks.pop());
    } catch (const ForcedUnwind&) {  // pthread_exit()
      go_on_elsewhere(queue, std::move(posted));
      throw;
    }
    lock.lock();
    queue->runs = false;
    queue->changed.notify_all();
  }
}

void Callbacks::run(Queue& queue, Task& task) {
  try {
    task.run();
  } catch (const ForcedUnwind&) {
    throw;
  } catch (const std::exception& error) {
    report(queue, error.what());
  } catch (...) {
    report(queue, "an object that is not a std::exception");
  }
}

}  // namespace dlock::runtime
