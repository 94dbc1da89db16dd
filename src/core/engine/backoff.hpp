// Backoff: how long to wait before the next try. Each wait is longer, and half of it is random.
#pragma once

#include <algorithm>

#include "core/wire/time.hpp"
#include "core/wire/token.hpp"

namespace dlock::core {

struct Backoff {
  Duration initial{};
  Duration max{};

  /// The wait that follows a wait of `last`, which is zero if there was none.
  [[nodiscard]] constexpr Duration after(Duration last) const {
    return std::min(std::max(last * 2, initial), max);
  }
};

/// At least 0 and less than 1.
[[nodiscard]] inline double fraction_of(RandomBits random) {
  return static_cast<double>(random[0] >> 11) / 9007199254740992.0;  // 2^53
}

/// A random span from half of `span` to all of it, so that clients that collide do not collide
/// again.
[[nodiscard]] inline Duration jittered(Duration span, RandomBits random) {
  const auto half = span / 2;
  return half + Duration{static_cast<Duration::rep>(static_cast<double>(half.count()) *
                                                    fraction_of(random))};
}

}  // namespace dlock::core
