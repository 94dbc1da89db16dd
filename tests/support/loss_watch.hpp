// LossWatch: whether a holder is told of its loss in time.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <stop_token>

#include "support/client_fixture.hpp"

namespace dlock::test {

/// Follows a lease: how long its holder could believe in it, and when it was told of the loss.
class LossWatch {
 public:
  explicit LossWatch(
      const Lease& lease, std::function<void()> then = [] {})
      : lease_(lease), on_lost_(lease.lost(), [this, then = std::move(then)] {
          const auto now = SteadyClock::now();
          then();
          told_ = now;
        }) {}

  /// Whether the holder is told, and before the validity it could see was over.
  [[nodiscard]] bool is_told_in_time() {
    const bool told = eventually(
        [&] {
          const auto now = SteadyClock::now();
          const auto left = lease_.valid_for();
          if (left > 0ms) end_ = std::max(end_, now + left);
          return told_.load() != SteadyClock::time_point{};
        },
        20s);
    return told && told_.load() < end_;
  }
  [[nodiscard]] bool is_told() const { return told_.load() != SteadyClock::time_point{}; }

 private:
  const Lease& lease_;
  std::atomic<SteadyClock::time_point> told_{SteadyClock::time_point{}};
  SteadyClock::time_point end_{};
  std::stop_callback<std::function<void()>> on_lost_;
};

}  // namespace dlock::test
