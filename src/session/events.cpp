// Events: made, described and posted.
#include "session/events.hpp"

#include <utility>

#include "core/wire/span_text.hpp"
#include "core/wire/text.hpp"

namespace dlock {
namespace detail {
namespace {

constexpr std::size_t max_waiting = 1000;

std::optional<LossReason> reason_of(core::Loss loss) {
  return loss == core::Loss::none
             ? std::nullopt
             : std::optional{static_cast<LossReason>(static_cast<int>(loss) - 1)};
}

}  // namespace

std::string describe(const Event& event) {
  auto text = std::string{name_of(event.lock)} + " \"" + core::escaped(event.name) + "\"";
  if (event.fence != 0) {
    text += " (fence " + std::to_string(event.fence) + ")";
  }
  switch (event.kind) {
    case Event::Kind::acquired:
      return text + " acquired after " + core::span_text(event.waited);
    case Event::Kind::waiting:
      return text + " not acquired yet after " + core::span_text(event.waited);
    case Event::Kind::released:
      return text + " released after " + core::span_text(event.held);
    case Event::Kind::lost:
      return text + " lost after " + core::span_text(event.held) + ": " +
             std::string{name_of(event.reason.value_or(LossReason::gone))};
    case Event::Kind::timed_out:
      return text + " not acquired within " + core::span_text(event.waited);
    case Event::Kind::deadlock:
      return text + " not acquired after " + core::span_text(event.waited) + ": deadlock";
    case Event::Kind::elected:
      return text + ": this client leads";
    case Event::Kind::deposed:
      return text + ": this client leads no more, after " + core::span_text(event.held);
  }
  return text;
}

Events::Events(const EventHandler& handler, std::string_view prefix, runtime::Callbacks& callbacks,
               Log log)
    : state_(handler ? std::make_shared<State>(handler) : nullptr),
      prefix_(prefix),
      callbacks_(callbacks),
      log_(std::move(log)) {}

void Events::emit(Event&& event) {
  if (state_->waiting.fetch_add(1) >= max_waiting) {
    --state_->waiting;
    ++state_->dropped;
    if (state_->unreported++ == 0) {
      log_("the handler of events is too slow: " + std::to_string(max_waiting) +
           " wait for it, and later ones are dropped");
    }
    return;
  }
  if (event.at == std::chrono::system_clock::time_point{}) {
    event.at = std::chrono::system_clock::now();
  }
  if (event.text.empty()) {
    event.text = describe(event);
  }
  event.dropped = state_->unreported.exchange(0);
  callbacks_.post(
      [state = state_, event = std::move(event)] {
        --state->waiting;
        state->handler(event);
      },
      runtime::Callbacks::Fate::refused);
}

Event Events::event_of(Event::Kind kind, const core::LeaseRecord& lease) const {
  Event event;
  event.kind = kind;
  event.name = lease.key.text().substr(prefix_.size());
  event.lock = lease.what;
  event.fence = lease.fence.number();
  return event;
}

void Events::acquired(const core::Obtained& obtained) {
  const auto& lease = *obtained.lease;
  if (core::is_gate(lease.kind) || lease.what == LeaseKind::part) {
    return;
  }
  auto event = event_of(Event::Kind::acquired, lease);
  event.way = obtained.way;
  event.waited = obtained.waited;
  emit(std::move(event));
}

void Events::lost(core::Instant now, const core::LeaseRecord& lease) {
  if (lease.what == LeaseKind::part) {
    return;
  }
  auto event = event_of(Event::Kind::lost, lease);
  event.reason = reason_of(lease.loss.load());
  event.held = now - lease.since;
  emit(std::move(event));
}

// A lease that is over has had its event, or will have it soon.
void Events::releasing(core::Instant now, const core::LeaseRecord& lease) {
  if (lease.what == LeaseKind::part || lease.left(now) == core::Duration::zero()) {
    return;
  }
  auto event = event_of(Event::Kind::released, lease);
  event.at = std::chrono::system_clock::now();  // not when the server confirms it
  event.held = now - lease.since;
  releasing_.insert_or_assign(lease.id, std::move(event));
}

void Events::released(const core::Released& released) {
  auto found = releasing_.extract(released.lease);
  if (found.empty()) {
    return;
  }
  auto& event = found.mapped();
  if (released.kind == core::Released::Kind::not_held) {
    event.kind = Event::Kind::lost;
    event.reason = LossReason::gone;
  }
  emit(std::move(event));
}

void Events::elected(std::string_view name, const core::LeaseRecord& lease) {
  auto event = event_of(Event::Kind::elected, lease);
  event.name = name;
  emit(std::move(event));
}

void Events::deposed(core::Instant now, std::string_view name, const core::LeaseRecord& lease) {
  auto event = event_of(Event::Kind::deposed, lease);
  event.name = name;
  event.reason = reason_of(lease.loss.load());
  event.held = now - lease.since;
  emit(std::move(event));
}

}  // namespace detail

std::string_view name_of(Event::Kind value) noexcept {
  switch (value) {
    case Event::Kind::acquired:
      return "acquired";
    case Event::Kind::waiting:
      return "waiting";
    case Event::Kind::released:
      return "released";
    case Event::Kind::lost:
      return "lost";
    case Event::Kind::timed_out:
      return "timed_out";
    case Event::Kind::deadlock:
      return "deadlock";
    case Event::Kind::elected:
      return "elected";
    case Event::Kind::deposed:
      return "deposed";
  }
  return "";
}

}  // namespace dlock
