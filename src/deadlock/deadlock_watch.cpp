// DeadlockWatch: waits that last long, of threads that hold other locks meanwhile.
#include "deadlock/deadlock_watch.hpp"

#include <algorithm>
#include <utility>

#include "core/wire/token.hpp"
#include "dlock/error.hpp"
#include "runtime/background_thread.hpp"
#include "runtime/outer_runs.hpp"
#include "runtime/random.hpp"

namespace dlock::detail {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds period{
    2};  // a wait counts as long from this age on; the interval between looks at it

}  // namespace

/// A wait as the thread looks at it, without the mutex.
struct DeadlockWatch::Look {
  Wait* wait;
  std::vector<std::string> tokens;
  Note own;
  Ring suspected;
  std::optional<std::string> ring{};
};

DeadlockWatch& DeadlockWatch::of(Session& client) {
  return static_cast<DeadlockWatch&>(
      client.companion([](Session& owner) -> std::unique_ptr<Companion> {
        return std::make_unique<DeadlockWatch>(owner);
      }));
}

DeadlockWatch::Wait::Wait(DeadlockWatch& watch, std::string_view key, Tokens held,
                          const std::stop_token& stop)
    : watch_(watch),
      key_(key),
      held_(std::move(held)),
      forward_(stop, Forward{stop_}),
      due_(steady_clock::now() + period) {
  const std::lock_guard lock{watch_.mutex_};
  watch_.start();
  place_ = watch_.waits_.insert(watch_.waits_.end(), this);
  if (watch_.waits_.size() == 1) watch_.changed_.notify_all();
}

DeadlockWatch::Wait::~Wait() {
  const std::lock_guard lock{watch_.mutex_};
  watch_.waits_.erase(place_);
  if (renewed_ > 0) watch_.changed_.notify_all();  // to remove its notes
}

std::optional<std::string> DeadlockWatch::Wait::ring() const {
  const std::lock_guard lock{watch_.mutex_};
  return ring_;
}

DeadlockWatch::~DeadlockWatch() {
  end();
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock{mutex_};
    changed_.wait_until(lock, *ends_by_, [this] { return is_over_; });
  }
  stop_.request_stop();
  thread_.join();
}

void DeadlockWatch::end() {
  {
    const std::lock_guard lock{mutex_};
    if (!ends_by_) ends_by_ = steady_clock::now() + client_.options().request_timeout;
  }
  changed_.notify_all();
}

// With the mutex held.
void DeadlockWatch::start() {
  if (thread_.joinable()) return;
  thread_ = runtime::background_thread([this] {
    run();
    const std::lock_guard lock{mutex_};
    is_over_ = true;
    changed_.notify_all();
  });
}

void DeadlockWatch::run() {
  std::unique_lock lock{mutex_};
  std::optional<LockReader> store;
  auto try_at = steady_clock::now();
  while (!ends_by_) {
    // The waits that are due, and the time of the next ones.
    const auto now = steady_clock::now();
    auto until = now + std::chrono::hours{1};
    std::set<std::string> stale = noted_;
    std::vector<Look> looks;
    for (auto* const wait : waits_) {
      for (const auto& token : wait->tokens_) stale.erase(token);
      if (wait->due_ <= now && try_at <= now) {
        if (wait->id_.empty()) wait->id_ = core::hex(runtime::random_bits()[0]);
        // Each time: whether a run of dlock waits for this process may change.
        wait->tokens_ = wait->held_();
        for (const auto& token : wait->tokens_) stale.erase(token);
        const bool may_change = runtime::has_outer_runs();
        wait->due_ =
            wait->tokens_.empty() && !may_change ? steady_clock::time_point::max() : now + period;
        if (wait->tokens_.empty()) continue;
        noted_.insert(wait->tokens_.begin(), wait->tokens_.end());
        looks.push_back(
            {wait, wait->tokens_, {wait->id_, ++wait->renewed_, wait->key_}, wait->suspected_});
      }
      until = std::min(until, std::max(wait->due_, try_at));
    }
    if (looks.empty() && (stale.empty() || try_at > now)) {
      if (waits_.empty() && stale.empty()) store.reset();
      changed_.wait_until(lock, stale.empty() ? until : std::min(until, try_at));
      continue;
    }

    lock.unlock();
    bool done = true;
    try {
      if (!store) store.emplace(client_.config(), stop_.get_token());
      WaitsFor notes{*store};
      for (const auto& token : stale) notes.erase(token);
      for (auto& look : looks) this->look(*store, look);
    } catch (const Error& error) {
      // The wait goes on without: its own requests tell what is wrong with the store.
      client_.log(LogLevel::debug, std::string{"cannot look for deadlocks: "} + error.what());
      store.reset();
      done = false;
    }
    lock.lock();

    if (!done) {
      try_at = steady_clock::now() + period;
      continue;
    }
    for (const auto& token : stale) noted_.erase(token);
    for (auto& look : looks) {
      if (std::ranges::find(waits_, look.wait) == waits_.end() || look.wait->id_ != look.own.wait) {
        continue;  // over, or another at the same address
      }
      look.wait->suspected_ = std::move(look.suspected);
      if (look.ring) {
        look.wait->ring_ = std::move(look.ring);
        // Without the mutex: it ends the wait, whose thread asks for the ring.
        auto stop = look.wait->stop_;
        lock.unlock();
        stop.request_stop();
        lock.lock();
      }
    }
  }
  const auto left = std::move(noted_);
  lock.unlock();
  try {
    for (const auto& token : left) {
      if (store) WaitsFor{*store}.erase(token);
    }
  } catch (const Error&) {
    return;  // they end by themselves
  }
}

void DeadlockWatch::look(LockReader& store, Look& look) const {
  WaitsFor notes{store};
  for (const auto& token : look.tokens) notes.write(token, look.own);
  const auto ring = notes.ring(look.own.key, look.tokens, look.own, look.suspected);
  if (!ring) look.suspected.clear();
  if (!ring || !is_confirmed(look.suspected, *ring)) return;
  // All holders in the ring come to the same conclusion, and one that gives up is enough.
  const auto last = std::ranges::max(*ring, {}, [](const Link& link) { return link.note.wait; });
  if (last.note.wait == look.own.wait) {
    look.ring = describe(store, *ring, client_.options().prefix);
  }
}

}  // namespace dlock::detail
