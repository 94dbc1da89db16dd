// A span of time in a text for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <ratio>
#include <string>

namespace dlock::core {

/// `12 ms`; below 10 ms with a decimal, as `0.4 ms`; `less than 0.1 ms`.
[[nodiscard]] inline std::string span_text(std::chrono::nanoseconds span) {
  using Tenths = std::chrono::duration<std::int64_t, std::ratio<1, 10'000>>;
  const auto tenths = std::chrono::duration_cast<Tenths>(span).count();
  if (tenths == 0 && span.count() > 0) {
    return "less than 0.1 ms";
  }
  auto text = std::to_string(tenths / 10);
  if (tenths < 100 && tenths % 10 != 0) {
    text.append(".").append(std::to_string(tenths % 10));
  }
  return text + " ms";
}

}  // namespace dlock::core
