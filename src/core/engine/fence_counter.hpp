// FenceCounter: the last fence counter that a client saw.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/wire/time.hpp"

namespace dlock::core {

/// The server syncs its counter with its clock, so that fences still grow after it lost the
/// counter. That takes the server time. A client that saw a counter a moment ago sends it along,
/// and the server skips the sync.
class FenceCounter {
 public:
  /// The greatest counter of this connection, or 0: then the server must sync. It is at most a
  /// second old: in a longer time, another client could have come and the counter could have gone
  /// back, unnoticed.
  [[nodiscard]] std::int64_t recent(Instant now) const {
    return synced_at_ && now - *synced_at_ < sync_life ? greatest_ : 0;
  }

  /// Whether an acquisition without a script may trust `counter`, the server's next one. The lease
  /// does not count as a sync.
  [[nodiscard]] bool may_trust(Instant now, std::int64_t counter) const {
    return recent(now) != 0 && greatest_ < counter && counter < greatest_ + max_step;
  }

  /// A lease came with `counter`.
  void on_given(std::int64_t counter) { greatest_ = std::max(greatest_, counter); }
  /// The server has synced the counter with its clock, for a request that left at `sent`.
  void on_synced(Instant sent) { synced_at_ = sent; }
  /// An error reply: the server may be a replica now, and the new primary may have a smaller
  /// counter.
  void on_error() { synced_at_.reset(); }
  /// The next connection may lead to another server.
  void on_disconnected() { *this = {}; }

 private:
  static constexpr Duration sync_life = std::chrono::seconds{1};
  static constexpr std::int64_t max_step = 1'000'000'000'000;  ///< as in acquire.lua

  std::int64_t greatest_ = 0;
  std::optional<Instant> synced_at_;
};

}  // namespace dlock::core
