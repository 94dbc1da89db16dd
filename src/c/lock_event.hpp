// An event of a lock, as C sees it.
#pragma once

#include <cstdint>
#include <memory>

#include "dlock/dlock.h"
#include "dlock/event.hpp"

namespace dlock::c {

/// Has the texts to which its view points. Copies share them.
class LockEvent {
 public:
  /// `dropped`: events that were dropped before it, besides those that it counts itself.
  explicit LockEvent(const dlock::Event& event, std::uint64_t dropped = 0);

  /// Valid as long as this or a copy.
  [[nodiscard]] const dlock_lock_event& view() const noexcept { return *view_; }

 private:
  struct Data;
  std::shared_ptr<const dlock_lock_event> view_;
};

}  // namespace dlock::c
