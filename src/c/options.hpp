// Options of dlock.h, whose structs grow with time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>

#include "dlock/error.hpp"

namespace dlock::c {

/// What the caller, compiled with a header older or newer than ours, says; zeros where that is
/// nothing. Throws `UsageError` for what we do not know.
template <class Options>
Options read_options(const Options* given) {
  Options options{};
  if (given == nullptr) {
    return options;
  }
  if (given->size < sizeof given->size) {
    throw_error(errc::usage, "the size of the options is not set: say {.size = sizeof options}");
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(given);
  if (std::any_of(bytes + std::min(given->size, sizeof options), bytes + given->size,
                  [](std::byte byte) { return byte != std::byte{0}; })) {
    throw_error(errc::usage,
                "the options say what this version of libdlock does not know: use a newer one");
  }
  std::memcpy(&options, given, std::min(given->size, sizeof options));
  return options;
}

/// None for zero.
inline std::optional<std::chrono::milliseconds> span_of(std::int64_t ms) {
  return ms == 0 ? std::nullopt : std::optional{std::chrono::milliseconds{ms}};
}

}  // namespace dlock::c
