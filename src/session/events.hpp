// Events: what happens to the locks of a client, for a handler of the user's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/engine/actions.hpp"
#include "core/engine/hold.hpp"
#include "core/wire/time.hpp"
#include "dlock/event.hpp"
#include "runtime/callbacks.hpp"

namespace dlock::detail {

/// An event as a line for people, without who holds and who waits.
[[nodiscard]] std::string describe(const Event& event);

/// Makes events and posts them to the callback thread. Without a handler, no member may be called
/// but `is_on`. `emit` and `dropped` are thread-safe; the rest is not.
class Events {
 public:
  using Log = std::function<void(std::string)>;

  /// `prefix` begins the keys of all locks. `callbacks` must outlive it. `log` reports that events
  /// are dropped.
  Events(const EventHandler& handler, std::string_view prefix, runtime::Callbacks& callbacks,
         Log log);

  [[nodiscard]] bool is_on() const noexcept { return state_ != nullptr; }
  /// Sets the time and the text, and posts it, unless too many wait.
  void emit(Event&& event);
  /// How many events were dropped.
  [[nodiscard]] std::uint64_t dropped() const noexcept {
    return state_ ? state_->dropped.load(std::memory_order_relaxed) : 0;
  }

  void acquired(const core::Obtained& obtained);
  void lost(core::Instant now, const core::LeaseRecord& lease);
  /// A release begins; `released` follows.
  void releasing(core::Instant now, const core::LeaseRecord& lease);
  void released(const core::Released& released);
  void elected(std::string_view name, const core::LeaseRecord& lease);
  /// The leader's lease is being released, or was lost.
  void deposed(core::Instant now, std::string_view name, const core::LeaseRecord& lease);

 private:
  struct State {
    explicit State(EventHandler user_handler) : handler(std::move(user_handler)) {}
    const EventHandler handler;
    std::atomic<std::size_t> waiting{0};
    std::atomic<std::uint64_t> dropped{0};
    std::atomic<std::uint64_t> unreported{0};  ///< of these, since the last event
  };
  [[nodiscard]] Event event_of(Event::Kind kind, const core::LeaseRecord& lease) const;

  const std::shared_ptr<State> state_;  ///< shared with posted events; null: no handler
  const std::string prefix_;
  runtime::Callbacks& callbacks_;
  const Log log_;
  std::unordered_map<core::LeaseId, Event> releasing_;
};

}  // namespace dlock::detail
