// Statistics: what a client counts and measures, by group of locks.
//
// One object for all engines of a client. It has no clock: whoever counts says how long it took.
// The hot path adds to plain numbers; only `stats` sums and allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/hold.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "core/wire/time.hpp"
#include "dlock/stats.hpp"

namespace dlock::core {

/// What a lease on `key` is.
[[nodiscard]] LeaseKind lease_kind(const Key& key, Kind kind, const Permits& permits);

/// A histogram in the making.
class Spans {
 public:
  void add(Duration span) {
    std::size_t range = 0;
    while (range < bounds.size() && span > bounds[range]) {
      ++range;
    }
    ++counts_[range];
    sum_ += span;
  }
  void add_to(Histogram& sum) const;

 private:
  static const std::array<Duration, Histogram::bounds.size()> bounds;
  std::array<std::uint64_t, Histogram::bounds.size() + 1> counts_{};
  Duration sum_{};
};

/// Not thread-safe.
class Statistics {
 public:
  /// The group with this name. There are at most `Stats::max_groups` beside "" and "other".
  [[nodiscard]] GroupId group(std::string_view name);

  void wait_began(GroupId group) { ++groups_[group].waiting; }
  /// However it ended.
  void wait_ended(GroupId group) { --groups_[group].waiting; }
  void timed_out(GroupId group) { ++groups_[group].timed_out; }
  void deadlock(GroupId group) { ++groups_[group].deadlocks; }

  /// A lease begins, after a wait of `waited`.
  void acquired(const LeaseRecord& lease, AcquiredBy way, Duration waited) {
    auto& group = groups_[lease.group];
    ++group.acquisitions[static_cast<std::size_t>(lease.what)][static_cast<std::size_t>(way)];
    ++group.held;
    group.wait.add(waited);
  }
  /// The release that made way for a granted lease was `gap` ago.
  void handed_off(GroupId group, Duration gap) { groups_[group].handoff_gap.add(gap); }
  /// A lease ends at `now`, by its release or its loss.
  void ended(Instant now, const LeaseRecord& lease) {
    auto& group = groups_[lease.group];
    --group.held;
    group.hold.add(now - lease.since);
  }
  void lost(GroupId group, Loss why) { ++groups_[group].losses[static_cast<std::size_t>(why) - 1]; }
  void released(GroupId group) { ++groups_[group].released; }

  /// All of it, with the sums over all groups.
  [[nodiscard]] Stats stats() const;

 private:
  struct Group {
    std::string name;
    std::uint64_t released = 0, timed_out = 0, deadlocks = 0, held = 0, waiting = 0;
    decltype(LockStats::acquisitions) acquisitions{};
    decltype(LockStats::losses) losses{};
    Spans wait, hold, handoff_gap;
  };
  static void add(const Group& group, LockStats& sum);

  std::vector<Group> groups_{1};
};

}  // namespace dlock::core
