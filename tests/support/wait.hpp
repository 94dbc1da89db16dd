// Waiting for a condition in a test, without sleeping for a fixed time.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace dlock::test {

/// Asks `predicate` again and again until it says true or `timeout` has passed; returns its last
/// answer. The pause between two questions grows from 0.1 to 10 ms.
template <class Predicate>
[[nodiscard]] bool eventually(Predicate predicate,
                              std::chrono::milliseconds timeout = std::chrono::seconds{10}) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  std::chrono::microseconds pause{100};
  while (!predicate()) {
    if (std::chrono::steady_clock::now() >= end) return predicate();
    std::this_thread::sleep_for(pause);
    pause = std::min<std::chrono::microseconds>(pause * 2, std::chrono::milliseconds{10});
  }
  return true;
}

}  // namespace dlock::test
