// How far apart two cores are.
#include "workers/distance.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

namespace dlock::bench {

namespace {

void run_on(int core) {
  ::cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  if (const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set); error != 0) {
    throw std::system_error(error, std::generic_category(), "core " + std::to_string(core));
  }
}

}  // namespace

double distance_ns(int one, int other) {
  constexpr int turns = 500;
  constexpr int series = 40;
  alignas(128) std::atomic<int> line = 0;  // even: it is our turn
  run_on(one);
  std::jthread echo{[&](const std::stop_token& end) {
    try {
      run_on(other);
    } catch (const std::system_error&) {
      line = -1;
      return;
    }
    while (!end.stop_requested()) {
      if (const int value = line; value % 2 != 0) line = value + 1;
    }
  }};
  double nearest = 1e9;
  for (int i = 0; i < series && line >= 0; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    for (int turn = 0; turn < turns && line >= 0; ++turn) {
      const int value = line;
      line = value + 1;
      while (line == value + 1) {
      }
    }
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
    nearest = std::min(nearest, taken.count() / turns);
  }
  if (line < 0) throw std::runtime_error("core " + std::to_string(other) + " may not be used");
  return nearest;
}

}  // namespace dlock::bench
