// Watches for failovers.
#include "session/primary_watch.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "dlock/error.hpp"
#include "redis/sentinel.hpp"
#include "runtime/background_thread.hpp"

namespace dlock::detail {
namespace {

constexpr std::chrono::milliseconds period{500};

}  // namespace

struct PrimaryWatch::State {
  const redis::Connection::Settings settings;
  const Tell tell;
  const Complain complain;
  std::mutex mutex{};  ///< held during the calls
  std::condition_variable changed{};
  bool ends = false;
};

PrimaryWatch::PrimaryWatch(redis::Connection::Settings settings, Tell tell, Complain complain)
    : state_(std::make_shared<State>(std::move(settings), std::move(tell), std::move(complain))) {
  runtime::background_thread([state = state_] { run(*state); }).detach();
}

PrimaryWatch::~PrimaryWatch() {
  {
    const std::lock_guard lock{state_->mutex};
    state_->ends = true;
  }
  state_->changed.notify_one();
}

void PrimaryWatch::run(State& state) {
  redis::Sentinels sentinels{state.settings};
  std::unique_lock lock{state.mutex};
  while (!state.changed.wait_for(lock, period, [&] { return state.ends; })) {
    lock.unlock();
    std::function<void()> report;
    try {
      const auto deadline = std::chrono::steady_clock::now() + state.settings.connect_timeout;
      report = [&state, primary = sentinels.primary(deadline)] { state.tell(primary); };
    } catch (const Error& error) {
      // The current connection stays in use, as long as it works.
      report = [&state, why = std::string{error.what()}] { state.complain(why); };
    }
    lock.lock();
    if (!state.ends) report();
  }
}

}  // namespace dlock::detail
