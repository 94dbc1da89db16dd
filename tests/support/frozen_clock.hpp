// The wall clock of a server under test, standing still until the test moves it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "support/redis_server.hpp"

namespace dlock::test {

/// Starts at a fixed date. Servers started with `options()` see it as their real-time clock: TIME,
/// expiries and what scripts read follow at once; event loops and timeouts run on in real time.
class FrozenClock {
 public:
  FrozenClock();
  ~FrozenClock();
  FrozenClock(const FrozenClock&) = delete;
  FrozenClock& operator=(const FrozenClock&) = delete;

  [[nodiscard]] std::chrono::microseconds now() const noexcept;
  void set(std::chrono::microseconds since_epoch) noexcept;
  void advance(std::chrono::microseconds by) noexcept { set(now() + by); }  ///< back, if negative

  /// The options that make a server use this clock.
  [[nodiscard]] RedisServer::Options options() const;

 private:
  std::string file_;
  std::atomic<std::int64_t>* us_ = nullptr;
};

}  // namespace dlock::test
