// The callback thread.
#include "client/callbacks.hpp"

#include <pthread.h>
#include <signal.h>

namespace dlock::detail {

Callbacks::Callbacks() : queue_(std::make_shared<Queue>()) {}

Callbacks::~Callbacks() {
  {
    const std::lock_guard lock{queue_->mutex};
    queue_->ending = true;
  }
  queue_->changed.notify_all();
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else if (thread_.joinable()) {
    thread_.join();
  }
}

void Callbacks::start() {
  const std::lock_guard lock{queue_->mutex};
  start_locked();
}

void Callbacks::start_locked() {
  if (!thread_.joinable() && !queue_->ending) {
    // Signals are the program's business, not ours.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread{[queue = queue_] { run(queue); }};
    id_ = thread_.get_id();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
}

void Callbacks::post(std::function<void()> function) {
  {
    const std::lock_guard lock{queue_->mutex};
    start_locked();
    queue_->functions.push_back(std::move(function));
  }
  queue_->changed.notify_one();
}

void Callbacks::run(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock{queue->mutex};
  while (true) {
    queue->changed.wait(lock, [&] { return !queue->functions.empty() || queue->ending; });
    if (queue->functions.empty()) {
      return;
    }
    const auto function = std::move(queue->functions.front());
    queue->functions.pop_front();
    lock.unlock();
    function();
    lock.lock();
  }
}

}  // namespace dlock::detail
