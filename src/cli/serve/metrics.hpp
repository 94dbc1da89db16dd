// A snapshot as Prometheus reads it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/survey/snapshot.hpp"

namespace dlock::cli {

struct MetricsOptions {
  std::size_t busiest = 20;             ///< locks with the longest queues have series of their own
  std::vector<std::string> patterns{};  ///< globs: locks that have them too, at most 200
};

/// Returns the text exposition format, version 0.0.4.
[[nodiscard]] std::string metrics_text(const Snapshot& snapshot, const MetricsOptions& options,
                                       runtime::BootTime now);

}  // namespace dlock::cli
