// Clock: a process's clock, with a zero and a rate of its own.
#pragma once

#include <cstdint>

#include "core/wire/time.hpp"
#include "simulation/stage.hpp"

namespace dlock::sim {

struct Clock {
  std::int64_t zero_ns = 0;
  std::int64_t ppm = 0;  ///< by how many millionths it is faster than true time

  [[nodiscard]] core::Instant at(Time now) const {
    return core::Instant{Duration{zero_ns} + now + Duration{now.count() * ppm / 1'000'000}};
  }
  /// The first moment at which this clock shows `shown` or later.
  [[nodiscard]] Time when(core::Instant shown) const {
    const double passed = static_cast<double>(shown.time_since_epoch().count() - zero_ns);
    Time guess{static_cast<std::int64_t>(passed / (1 + static_cast<double>(ppm) / 1e6))};
    while (at(guess) < shown) {
      guess += Duration{1};
    }
    while (at(guess - Duration{1}) >= shown) {
      guess -= Duration{1};
    }
    return guess;
  }
};

}  // namespace dlock::sim
