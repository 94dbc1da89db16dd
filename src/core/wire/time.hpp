// Time in the protocol: the client's clock, the server's clock, and their drift.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace dlock::core {

/// CLOCK_BOOTTIME: steady, and counts while the machine sleeps. Core code never reads it; each
/// event carries its instant.
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

/// Until when the client may believe in a lease of length `ttl` that began no earlier than `start`
/// (the instant before the request left, never the receipt of the reply).
[[nodiscard]] inline Instant valid_until(Instant start, Duration ttl, Drift drift) {
  return start + ttl - drift.margin(ttl);
}

/// The server's time in one reply, and the instant its request left. They bound the age of a pushed
/// grant. They are replaced only as a pair, and do not outlive their connection.
struct ClockPair {
  Instant sent;
  ServerTime server;
};

/// The earliest instant, by the client's clock, at which the server's clock can have shown
/// `granted`. None if that lies after `received`: the server's clock was stepped, and the age is
/// unknown.
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
