// What the longest spans stand for where something finite is sent or stored.
#pragma once

#include <chrono>

#include "dlock/until.hpp"

namespace dlock::detail {

/// `max` for a span that means for ever, and any other one as it is, be it longer than `max`: that
/// is a mistake, which the caller reports.
[[nodiscard]] constexpr std::chrono::milliseconds unless_for_ever(std::chrono::milliseconds span,
                                                                  std::chrono::milliseconds max) {
  return span >= max_span ? max : span;
}

}  // namespace dlock::detail
