// The finite span that stands for "no limit" where one must be sent or stored.
#pragma once

#include <chrono>

#include "dlock/until.hpp"

namespace dlock::detail {

/// Returns `max` for a span that means "no limit", and any other span unchanged, also one longer
/// than `max`: the caller reports that mistake.
[[nodiscard]] constexpr std::chrono::milliseconds unless_for_ever(std::chrono::milliseconds span,
                                                                  std::chrono::milliseconds max) {
  return span >= max_span ? max : span;
}

}  // namespace dlock::detail
