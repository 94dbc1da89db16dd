// The LeaderObserver and LeaderWatch handles.
#include "dlock/leader_observer.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "dlock/error.hpp"
#include "election/election_watcher.hpp"
#include "locks/lease_state.hpp"
#include "runtime/background_thread.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/forced_unwind.hpp"

namespace dlock {

using detail::ElectionWatcher;

LeaderObserver::LeaderObserver(std::unique_ptr<ElectionWatcher> watcher) noexcept
    : watcher_(std::move(watcher)) {}

LeaderObserver::~LeaderObserver() {
  if (watcher_ && watcher_->client()->is_forked()) {
    detail::leave_to_parent(std::shared_ptr<ElectionWatcher>{std::move(watcher_)});
  }
}

LeaderObserver::LeaderObserver(LeaderObserver&&) noexcept = default;

LeaderObserver& LeaderObserver::operator=(LeaderObserver&& other) noexcept {
  if (this != &other) {
    const LeaderObserver former{std::move(watcher_)};
    watcher_ = std::move(other.watcher_);
  }
  return *this;
}

LeaderChange LeaderObserver::next(std::stop_token stop) { return *watcher_->next({}, stop); }

std::optional<LeaderChange> LeaderObserver::next_in(std::chrono::milliseconds span,
                                                    std::stop_token stop) {
  return watcher_->next(detail::deadline_in(span), stop);
}

namespace detail {

struct WatchState {
  WatchState(LeaderObserver what, std::shared_ptr<Session> owner, LeaderHandler whom)
      : client(std::move(owner)),
        observer(std::move(what)),
        handler(std::move(whom)),
        on_closing_(client->closing(), End{stop}) {}

  void run() {
    const auto token = stop.get_token();
    const runtime::Callbacks::Expected expected{client->callbacks()};
    const runtime::Callbacks::Serving serving{client->callbacks()};
    while (!token.stop_requested()) {
      try {
        const auto change = observer.next(token);
        if (!expected.is_wanted()) return;
        call(change);
      } catch (const Cancelled&) {
        return;
      } catch (const Error& error) {
        client->log(LogLevel::warning, std::string{"cannot observe an election: "} + error.what());
        pause(token);
      }
    }
  }

  const std::shared_ptr<Session> client;
  LeaderObserver observer;
  const LeaderHandler handler;
  std::stop_source stop;
  std::thread thread;

 private:
  struct End {
    std::stop_source stop;
    void operator()() noexcept { stop.request_stop(); }
  };
  std::stop_callback<End> on_closing_;

  void call(const LeaderChange& change) const {
    const auto report = [this](const char* what) {
      client->log(LogLevel::error, std::string{"the handler of an observer threw: "} + what);
    };
    try {
      handler(change);
    } catch (const runtime::ForcedUnwind&) {  // pthread_exit()
      throw;
    } catch (const std::exception& error) {
      report(error.what());
    } catch (...) {
      report("an object that is not a std::exception");
    }
  }
  static void pause(const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock{mutex};
    std::condition_variable_any{}.wait_for(lock, stop, std::chrono::seconds{1},
                                           [] { return false; });
  }
};

}  // namespace detail

LeaderWatch::LeaderWatch(LeaderObserver observer, LeaderHandler handler) {
  auto client = observer.watcher_->client();
  state_ = std::make_shared<detail::WatchState>(std::move(observer), std::move(client),
                                                std::move(handler));
  state_->thread = runtime::background_thread([state = state_] { state->run(); });
}

LeaderWatch::~LeaderWatch() {
  if (!state_) return;
  const runtime::Cancellation none{PTHREAD_CANCEL_DISABLE};
  if (state_->client->is_forked()) {
    detail::leave_to_parent(std::move(state_));  // the thread is not here
    return;
  }
  state_->stop.request_stop();
  if (state_->thread.get_id() == std::this_thread::get_id()) {
    state_->thread.detach();  // it owns all that it needs
  } else {
    state_->thread.join();
  }
}

}  // namespace dlock
