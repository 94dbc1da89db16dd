// Signal: ends the sleep of one thread, which needs no mutex to wake.
#pragma once

#include <atomic>
#include <cstdint>

namespace dlock::detail {

/// For one sleeper. Whoever raises it does not touch it afterwards, so that the one who is woken
/// may destroy it at once.
class Signal {
 public:
  /// Sleeps until it is raised, and takes it back. Returns what was raised.
  std::uint32_t await() noexcept;
  /// `what` is not zero.
  void raise(std::uint32_t what) noexcept;

 private:
  std::atomic<std::uint32_t> raised_{0};
};

}  // namespace dlock::detail
