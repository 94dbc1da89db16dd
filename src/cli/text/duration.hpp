// Durations as people write and read them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace dlock::cli {

/// Parses `250ms`, `30s`, `5m`, `1h`, `2d`, fractions as `1.5h`, or plain seconds as in flock(1).
/// Rounds up to a millisecond. Throws `std::invalid_argument` with advice for the user.
[[nodiscard]] std::chrono::milliseconds parse_duration(std::string_view text);

/// Returns text such as `12 ms`, `3.2 s`, `5 min 12 s` or `2 h 3 min`.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds span);

/// Returns the same in at most six columns: `850ms`, `3.2s`, `5m07s`, `3h04m`, `12d03h`.
[[nodiscard]] std::string short_duration(std::chrono::milliseconds span);

}  // namespace dlock::cli
