// The callback thread.
#include "client/callbacks.hpp"

#include <system_error>

#include "client/quiet_thread.hpp"

namespace dlock::detail {

Callbacks::Callbacks(std::chrono::milliseconds patience)
    : patience_(patience), queue_(std::make_shared<Queue>()) {}

Callbacks::~Callbacks() {
  if (!thread_.joinable()) {
    return;
  }
  bool ended = false;
  {
    std::unique_lock lock{queue_->mutex};
    queue_->ending = true;
    queue_->changed.notify_all();
    ended =
        !is_here() && queue_->changed.wait_for(lock, patience_, [this] { return queue_->ended; });
  }
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();  // it owns all that it needs
  }
}

void Callbacks::start() {
  const std::lock_guard lock{queue_->mutex};
  start_locked();
}

void Callbacks::start_locked() {
  if (!thread_.joinable() && !queue_->ending) {
    thread_ = quiet_thread([queue = queue_] { run(queue); });
    id_ = thread_.get_id();
  }
}

void Callbacks::post(std::function<void()> function) {
  {
    const std::lock_guard lock{queue_->mutex};
    queue_->functions.push_back(std::move(function));
    try {
      start_locked();
    } catch (const std::system_error&) {
      return;  // no thread to be had: the next call tries again
    }
  }
  queue_->changed.notify_all();
}

void Callbacks::run(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock{queue->mutex};
  while (true) {
    queue->changed.wait(lock, [&] { return !queue->functions.empty() || queue->ending; });
    if (queue->functions.empty()) {
      queue->ended = true;
      queue->changed.notify_all();
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
