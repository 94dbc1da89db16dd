// Watching for failovers.
#include "client/primary_watch.hpp"

#include <chrono>
#include <utility>

#include "client/quiet_thread.hpp"
#include "dlock/error.hpp"
#include "redis/sentinel.hpp"

namespace dlock::detail {
namespace {

constexpr std::chrono::milliseconds period{500};

}  // namespace

PrimaryWatch::PrimaryWatch(redis::Connection::Settings settings, Tell tell, Complain complain)
    : settings_(std::move(settings)),
      tell_(std::move(tell)),
      complain_(std::move(complain)),
      thread_(quiet_thread([this] { run(); })) {}

PrimaryWatch::~PrimaryWatch() {
  {
    const std::lock_guard lock{mutex_};
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void PrimaryWatch::run() {
  redis::Sentinels sentinels{settings_};
  std::unique_lock lock{mutex_};
  while (!changed_.wait_for(lock, period, [this] { return ends_; })) {
    lock.unlock();
    try {
      tell_(sentinels.primary(std::chrono::steady_clock::now() + settings_.connect_timeout));
    } catch (const Error& error) {
      complain_(error.what());  // the connection there is goes on, as long as it does
    }
    lock.lock();
  }
}

}  // namespace dlock::detail
