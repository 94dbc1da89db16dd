// Statistics: groups, and the sums.
#include "core/engine/statistics.hpp"

#include <algorithm>
#include <numeric>

#include "core/wire/token.hpp"

namespace dlock::core {
namespace {

template <std::size_t Size>
void add_all(std::array<std::uint64_t, Size>& sum, const std::array<std::uint64_t, Size>& other) {
  std::transform(sum.begin(), sum.end(), other.begin(), sum.begin(), std::plus<>{});
}

}  // namespace

LeaseKind lease_kind(const Key& key, Kind kind, const Permits& permits) {
  if (kind == Kind::mutex) {
    return LeaseKind::mutex;
  }
  if (permits.capacity != shared_capacity) {
    return key.text().starts_with(token_prefix) ? LeaseKind::part : LeaseKind::permits;
  }
  switch (permits.weight) {
    case reader_weight:
      return LeaseKind::reader;
    case upgradeable_weight:
      return LeaseKind::upgradeable;
    case upgrade_weight:
      return LeaseKind::upgrade;
    default:
      return LeaseKind::writer;
  }
}

// Those of `Histogram`, exactly: 1, 2 and 5 of each power of ten.
constexpr std::array<Duration, Histogram::bounds.size()> Spans::bounds = [] {
  std::array<Duration, Histogram::bounds.size()> spans{};
  Duration power = std::chrono::microseconds{100};
  for (std::size_t i = 0; i < spans.size(); i += 3) {
    spans[i] = power;
    spans[i + 1] = 2 * power;
    spans[i + 2] = 5 * power;
    power *= 10;
  }
  return spans;
}();

void Spans::add_to(Histogram& sum) const {
  add_all(sum.counts, counts_);
  sum.count += std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
  sum.sum += std::chrono::duration<double>{sum_}.count();
}

GroupId Statistics::group(std::string_view name) {
  const auto find = [this](std::string_view wanted) {
    return std::find_if(groups_.begin(), groups_.end(),
                        [&](const Group& group) { return group.name == wanted; });
  };
  auto found = find(name);
  if (found == groups_.end() && groups_.size() > Stats::max_groups) {
    name = Stats::other_group;
    found = find(name);
  }
  if (found == groups_.end()) {
    groups_.emplace_back().name = name;
    found = std::prev(groups_.end());
  }
  return static_cast<GroupId>(found - groups_.begin());
}

void Statistics::add(const Group& group, LockStats& sum) {
  for (std::size_t kind = 0; kind < lease_kinds; ++kind) {
    const auto& ways = group.acquisitions[kind];
    add_all(sum.acquisitions[kind], ways);
    sum.acquired += std::accumulate(ways.begin(), ways.end(), std::uint64_t{0});
    sum.granted += ways[static_cast<std::size_t>(AcquiredBy::grant)];
    sum.passed += ways[static_cast<std::size_t>(AcquiredBy::passing)];
  }
  add_all(sum.losses, group.losses);
  sum.lost += std::accumulate(group.losses.begin(), group.losses.end(), std::uint64_t{0});
  sum.released += group.released;
  sum.timed_out += group.timed_out;
  sum.deadlocks += group.deadlocks;
  sum.held += group.held;
  sum.waiting += group.waiting;
  group.wait.add_to(sum.wait);
  group.hold.add_to(sum.hold);
  group.handoff_gap.add_to(sum.handoff_gap);
}

Stats Statistics::stats() const {
  Stats all;
  for (const auto& group : groups_) {
    add(group, all);
    auto& own = all.groups.emplace_back();
    own.group = group.name;
    add(group, own);
  }
  return all;
}

}  // namespace dlock::core
