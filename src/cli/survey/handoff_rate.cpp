// HandoffRate: how often a lock changes hands, estimated from looks at it.
#include "cli/survey/handoff_rate.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dlock::cli {

namespace {

constexpr double memory = 3;         // seconds after which a look counts 1/e
constexpr double shortest = 0.0005;  // half of the resolution of a holder's time, in seconds

double seconds(std::chrono::nanoseconds span) {
  return std::chrono::duration<double>{span}.count();
}

}  // namespace

void HandoffRate::observe(const LockInfo& lock, std::chrono::nanoseconds now) {
  const auto* const holder = lock.holders.empty() ? nullptr : &lock.holders.back();  // the newest
  const bool is_new =
      holder != nullptr &&
      (holder->token != token_ || (fence_ != 0 && holder->fence != 0 && holder->fence != fence_));
  if (holder != nullptr) {
    fence_ = holder->token == token_ && holder->fence == 0 ? fence_ : holder->fence;
    token_ = holder->token;
  }
  const double passed = seconds(now - std::exchange(last_, now));
  if (!std::exchange(was_seen_, true) || passed <= 0) return;

  const double weight = 1 - std::exp(-passed / memory);
  const auto average = [weight](double& mean, double value) { mean += weight * (value - mean); };
  average(changes_, is_new ? 1 / passed : 0);
  average(changed_, is_new ? 1 : 0);
  average(held_, holder != nullptr ? 1 : 0);
  if (holder != nullptr && holder->fence != 0) {
    const double age = std::max(seconds(holder->since) + shortest, shortest);
    age_ == 0 ? age_ = age : (average(age_, age), age_);
  }
}

double HandoffRate::per_second() const noexcept {
  const bool is_beyond_looks = changed_ > 0.5 && age_ > 0;
  return std::max(changes_, is_beyond_looks ? held_ / (2 * age_) : 0);
}

}  // namespace dlock::cli
