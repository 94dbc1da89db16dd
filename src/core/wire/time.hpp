// Time as the protocol sees it: our own clock, the server's, and how far they may drift apart.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace dlock::core {

/// CLOCK_BOOTTIME: steady, and counts while the machine sleeps. Core code never reads it; every
/// event brings its instant along.
struct BootClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};

using Instant = BootClock::time_point;
using Duration = std::chrono::nanoseconds;

/// A reading of the server's wall clock. Only differences of readings of one server mean anything.
struct ServerTime {
  std::int64_t us = 0;
  friend Duration operator-(ServerTime a, ServerTime b) {
    return std::chrono::microseconds{a.us - b.us};
  }
};

/// How much a span measured by one clock may differ when measured by the other.
struct Drift {
  double rate = 0.01;
  Duration floor = std::chrono::milliseconds{2};

  [[nodiscard]] Duration part(Duration span) const {
    const auto length = span < Duration::zero() ? -span : span;
    return Duration{static_cast<Duration::rep>(static_cast<double>(length.count()) * rate)};
  }
  [[nodiscard]] Duration margin(Duration span) const { return part(span) + floor; }
};

/// When a lease of length `ttl` ends at the latest moment we may believe in it, if it began no
/// earlier than `start` (the moment before the request left, never the receipt of the reply).
[[nodiscard]] inline Instant valid_until(Instant start, Duration ttl, Drift drift) {
  return start + ttl - drift.margin(ttl);
}

/// One reply's server time and the instant its request left: what bounds the age of a pushed grant.
/// Replaced only as a pair, and never outlives its connection.
struct ClockPair {
  Instant sent;
  ServerTime server;
};

/// The earliest instant, by our clock, at which the server's clock can have shown `granted`. None
/// if that lies after `received`: then the server's clock was stepped and nothing can be concluded.
[[nodiscard]] inline std::optional<Instant> earliest(const ClockPair& pair, ServerTime granted,
                                                     Instant received, Drift drift) {
  const Duration span = granted - pair.server;
  const Instant start = pair.sent + span - drift.part(span);
  if (start > received) {
    return std::nullopt;
  }
  return start;
}

}  // namespace dlock::core
