// Statistics for people: names, and quantiles.
#include "dlock/stats.hpp"

#include <algorithm>
#include <cmath>

namespace dlock {

std::string_view name_of(LeaseKind value) noexcept {
  switch (value) {
    case LeaseKind::mutex:
      return "mutex";
    case LeaseKind::reader:
      return "reader";
    case LeaseKind::writer:
      return "writer";
    case LeaseKind::upgradeable:
      return "upgradeable";
    case LeaseKind::upgrade:
      return "upgrade";
    case LeaseKind::permits:
      return "permits";
    case LeaseKind::part:
      return "part";
  }
  return "";
}

std::string_view name_of(AcquiredBy value) noexcept {
  switch (value) {
    case AcquiredBy::request:
      return "request";
    case AcquiredBy::grant:
      return "grant";
    case AcquiredBy::passing:
      return "passing";
  }
  return "";
}

std::string_view name_of(LossReason value) noexcept {
  switch (value) {
    case LossReason::expired:
      return "expired";
    case LossReason::gone:
      return "gone";
    case LossReason::taken:
      return "taken";
    case LossReason::broken:
      return "broken";
    case LossReason::max_hold:
      return "max_hold";
    case LossReason::time_up:
      return "time_up";
  }
  return "";
}

double Histogram::quantile(double q) const noexcept {
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(count);
  double below = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= wanted) {
      const double from = i == 0 ? 0 : bounds[i - 1];
      return from + (bounds[i] - from) * (wanted - below) / here;
    }
    below += here;
  }
  return count == 0 ? 0 : bounds.back();
}

}  // namespace dlock
