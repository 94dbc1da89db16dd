// SlowWaits: the waits under way, and the thread that looks at the long ones.
#include "locks/slow_waits.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <utility>

#include "core/wire/span_text.hpp"
#include "dlock/inspect.hpp"
#include "inspect/look_at_lock.hpp"
#include "runtime/background_thread.hpp"
#include "runtime/clock.hpp"

namespace dlock::detail {
namespace {

using std::chrono::steady_clock;

}  // namespace

/// The waits under way, in the order of their begins. All are reported after the same time.
struct SlowWaits::Registry {
  struct Entry {
    std::string name;
    LeaseKind lock{};
    steady_clock::time_point begin;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint64_t, Entry> waits;
  std::uint64_t last = 0;
  bool is_ending = false;
};

namespace {

// The place of this client in the queue, from 1 on; 0: it is not there.
std::int64_t place_in(const LockInfo& lock, std::string_view client) {
  const auto found = std::ranges::find(lock.waiters, client, [](const WaiterInfo& waiter) {
    return std::string_view{waiter.party.client};
  });
  return found == lock.waiters.end() ? 0 : found - lock.waiters.begin() + 1;
}

}  // namespace

SlowWaits::SlowWaits(Session& client) : client_(client), registry_(std::make_shared<Registry>()) {}

SlowWaits::~SlowWaits() {
  end();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void SlowWaits::end() {
  {
    const std::lock_guard lock{registry_->mutex};
    registry_->is_ending = true;
  }
  registry_->changed.notify_all();
  stop_.request_stop();
}

SlowWaits::Wait::Wait(Session& client, const std::string& name, LeaseKind lock)
    : registry_([&] {
        auto& all = static_cast<SlowWaits&>(
            client.companion([](Session& owner) -> std::unique_ptr<Companion> {
              return std::make_unique<SlowWaits>(owner);
            }));
        const std::lock_guard guard{all.registry_->mutex};
        all.start();
        return all.registry_;
      }()) {
  const std::lock_guard guard{registry_->mutex};
  number_ = ++registry_->last;
  registry_->waits.emplace(number_, Registry::Entry{name, lock, steady_clock::now()});
  if (registry_->waits.size() == 1) {
    registry_->changed.notify_all();
  }
}

SlowWaits::Wait::~Wait() {
  const std::lock_guard guard{registry_->mutex};
  registry_->waits.erase(number_);
}

// With the mutex held.
void SlowWaits::start() {
  if (!thread_.joinable() && !registry_->is_ending) {
    thread_ = runtime::background_thread([this] { run(); });
  }
}

void SlowWaits::run() {
  const std::chrono::milliseconds slow{*client_.options().slow_wait};
  std::unique_lock lock{registry_->mutex};
  std::uint64_t seen = 0;  // waits up to this number were looked at
  while (!registry_->is_ending) {
    const auto next = registry_->waits.upper_bound(seen);
    if (next == registry_->waits.end()) {
      registry_->changed.wait(lock);
      continue;
    }
    if (const auto due = next->second.begin + slow; steady_clock::now() < due) {
      registry_->changed.wait_until(lock, due);
      continue;
    }
    seen = next->first;
    const auto entry = next->second;
    lock.unlock();
    Event event;
    event.kind = Event::Kind::waiting;
    event.name = entry.name;
    event.lock = entry.lock;
    try {
      auto info = look_at_lock(client_, entry.name, stop_.get_token());
      event.place = place_in(info, client_.id_for(entry.name));
      event.waited = steady_clock::now() - entry.begin;
      event.text = "waiting for " + core::span_text(event.waited) + "; " + to_string(info);
      if (event.place > 0) {
        event.text += ", this client is number " + std::to_string(event.place);
      }
      event.store = std::make_shared<const LockInfo>(std::move(info));
    } catch (const std::exception& error) {
      event.waited = steady_clock::now() - entry.begin;
      event.text = describe(event) + "; the store does not say who holds it: " + error.what();
    }
    lock.lock();
    if (registry_->is_ending || !registry_->waits.contains(seen)) {
      continue;  // it has ended meanwhile
    }
    lock.unlock();
    client_.log(LogLevel::warning, event.text);
    if (client_.has_events()) {
      client_.emit(std::move(event));
    }
    lock.lock();
  }
}

}  // namespace dlock::detail
