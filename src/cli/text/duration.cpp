// Durations: parsing and printing.
#include "cli/text/duration.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <stdexcept>

namespace dlock::cli {

namespace {

constexpr double max_ms = 100.0 * 365 * 24 * 3600 * 1000;

// Returns the milliseconds in a unit, or 0 for an unknown unit.
double unit_ms(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit.empty() || unit == "s") return 1'000;
  if (unit == "m" || unit == "min") return 60'000;
  if (unit == "h") return 3'600'000;
  if (unit == "d") return 86'400'000;
  return 0;
}

// How the two greatest units of a span are written; `many_d` from 100 days on.
struct Spelling {
  const char* ms;
  const char* s;
  const char* min;
  const char* h;
  const char* d;
  const char* many_d;
};
constexpr Spelling in_words{"{} ms",       "{}.{} s",   "{} min {} s",
                            "{} h {} min", "{} d {} h", "{} d {} h"};
constexpr Spelling in_columns{"{}ms", "{}.{}s", "{}m{:02}s", "{}h{:02}m", "{}d{:02}h", "{}d"};

std::string spelled(std::chrono::milliseconds span, const Spelling& as) {
  const auto two = [](const char* how, std::int64_t great, std::int64_t small) {
    return fmt::format(fmt::runtime(how), great, small);
  };
  const auto ms = span.count();
  if (ms < 1'000) return two(as.ms, ms, 0);
  if (ms < 60'000) return two(as.s, ms / 1'000, ms % 1'000 / 100);
  const auto seconds = ms / 1'000;
  if (seconds < 3'600) return two(as.min, seconds / 60, seconds % 60);
  const auto minutes = seconds / 60;
  if (minutes < 48 * 60) return two(as.h, minutes / 60, minutes % 60);
  const auto days = minutes / (24 * 60);
  return two(days < 100 ? as.d : as.many_d, days, minutes / 60 % 24);
}

}  // namespace

std::chrono::milliseconds parse_duration(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  const double unit = unit_ms({rest, static_cast<std::size_t>(end - rest)});
  if (error != std::errc{} || unit == 0 || !std::isfinite(number)) {
    throw std::invalid_argument(
        fmt::format("'{}' is not a duration: write 250ms, 30s, 5m, 1h or seconds as 1.5", text));
  }
  if (std::signbit(number)) throw std::invalid_argument("a duration cannot be negative");
  if (number * unit > max_ms) throw std::invalid_argument("that is over 100 years");
  // Does not round up whole milliseconds that a binary fraction misses by a hair (1.001 s).
  return std::chrono::milliseconds{static_cast<std::int64_t>(std::ceil(number * unit - 1e-6))};
}

std::string format_duration(std::chrono::milliseconds span) { return spelled(span, in_words); }

std::string short_duration(std::chrono::milliseconds span) { return spelled(span, in_columns); }

}  // namespace dlock::cli
