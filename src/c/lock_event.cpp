// An event of a lock, as C sees it.
#include "c/lock_event.hpp"

#include <chrono>

#include "dlock/inspect.hpp"

using namespace dlock;

namespace dlock::c {
namespace {

static_assert(DLOCK_LOCK_DEPOSED == static_cast<int>(dlock::Event::Kind::deposed));

std::int64_t in_us(std::chrono::nanoseconds span) {
  return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
}

template <class Enum>
std::int32_t number_of(const std::optional<Enum>& value) {
  return value ? static_cast<std::int32_t>(*value) : -1;
}

}  // namespace

struct LockEvent::Data {
  dlock::Event event;
  dlock_lock_event view{};
};

LockEvent::LockEvent(const dlock::Event& event, std::uint64_t dropped) {
  const auto data = std::make_shared<Data>(Data{event});
  const auto& own = data->event;
  auto& view = data->view;
  view.size = sizeof view;
  view.kind = static_cast<dlock_lock_event_kind>(own.kind);
  view.lock = static_cast<dlock_lease_kind>(own.lock);
  view.name = own.name.c_str();
  view.name_length = own.name.size();
  view.at_us = in_us(own.at.time_since_epoch());
  view.fence = own.fence;
  view.way = number_of(own.way);
  view.reason = number_of(own.reason);
  view.waited_us = in_us(own.waited);
  view.held_us = in_us(own.held);
  view.place = own.place;
  view.waiters = -1;
  if (own.store) {
    view.waiters = static_cast<std::int64_t>(own.store->waiters.size());
    if (const auto& holder = own.store->holder; !holder.client.empty()) {
      view.holder_host = holder.host.c_str();
      view.holder_program = holder.program.c_str();
      view.holder_label = holder.label.c_str();
      view.holder_pid = holder.pid;
      view.holder_ms = own.store->since.count();
    }
  }
  view.text = own.text.c_str();
  view.dropped = own.dropped + dropped;
  view_ = {data, &data->view};
}

}  // namespace dlock::c

const char* dlock_lock_event_kind_name(dlock_lock_event_kind kind) {
  return name_of(static_cast<dlock::Event::Kind>(kind)).data();
}
