// Random: the only source of chance in a simulation. The same seed gives the same choices anywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/wire/time.hpp"

namespace dlock::sim {

using core::Duration;

/// SplitMix64. The standard's distributions differ from library to library, so it brings its own.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }
  /// 0 .. end - 1
  std::uint64_t below(std::uint64_t end) { return bits() % end; }
  /// Both ends are possible.
  template <class Number>
  Number number(Number low, Number high) {
    return low + static_cast<Number>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  bool chance(double share) {
    return static_cast<double>(bits() >> 11) < share * 9007199254740992.0;
  }
  Duration between(Duration low, Duration high) {
    return Duration{number(low.count(), high.count())};
  }
  /// As often between 1 and 2 as between 1000 and 2000.
  Duration spread(Duration low, Duration high) {
    int doublings = 0;
    while (low.count() << (doublings + 1) < high.count()) {
      ++doublings;
    }
    const Duration from{low.count() << number(0, doublings)};
    return between(from, from * 2 < high ? from * 2 : high);
  }
  template <class Value>
  const Value& pick(const std::vector<Value>& values) {
    return values[below(values.size())];
  }
  Random fork() { return Random{bits()}; }

 private:
  std::uint64_t state_;
};

}  // namespace dlock::sim
