// BusyPoll: whether a thread looks for an answer again and again before it sleeps.
#pragma once

#include <algorithm>
#include <thread>

#include "core/wire/time.hpp"

namespace dlock::runtime {

/// To sleep and to be woken takes longer than an answer of a server on the same machine. A thread
/// that looks meanwhile saves that time, at the cost of its core. So a thread looks only
///   - if it makes all calls of late: threads that take turns keep a core busy without that, and a
///     look would take it from the others;
///   - as long as that helps mostly: after a failure it does not for the next sleeps, and after
///   each
///     further one for more than twice as many.
/// Not thread-safe.
class BusyPoll {
 public:
  /// `longest`: how long to look; zero: never.
  explicit BusyPoll(core::Duration longest) : longest_(longest) {}

  /// This thread makes a call that will sleep.
  void begin_call() {
    const auto caller = std::this_thread::get_id();
    calls_in_a_row_ = caller == caller_ ? std::min(calls_in_a_row_ + 1, alone_after) : 0;
    caller_ = caller;
  }
  /// How long to look before the sleep that comes now; zero: not at all.
  [[nodiscard]] core::Duration next() {
    if (calls_in_a_row_ < alone_after) return core::Duration::zero();
    if (pause_ == 0) return longest_;
    --pause_;
    return core::Duration::zero();
  }
  /// Whether the answer came while the thread looked.
  void note(bool has_helped) {
    last_pause_ = has_helped ? last_pause_ / 2 : std::min(2 * last_pause_ + 8, longest_pause);
    pause_ = last_pause_;
  }

 private:
  static constexpr int alone_after = 16;
  static constexpr int longest_pause = 255;

  core::Duration longest_;
  std::thread::id caller_;
  int calls_in_a_row_ = 0;
  int pause_ = 0;
  int last_pause_ = 0;
};

}  // namespace dlock::runtime
