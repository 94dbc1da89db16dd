// Snapshots made by hand.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/survey/snapshot.hpp"

namespace dlock::cli::test {

inline constexpr runtime::BootTime now = std::chrono::hours{1};

struct Holding {
  std::chrono::milliseconds held{};
  std::optional<std::chrono::milliseconds> ttl = std::chrono::seconds{30};
  std::vector<std::chrono::milliseconds> waits{};
  std::string label{};
};

inline LockInfo held_lock(std::string name, const Holding& how) {
  LockInfo lock;
  lock.name = std::move(name);
  lock.kind = LockKind::mutex;
  lock.held = true;
  lock.token = "token";
  lock.fence = 7;
  lock.since = how.held;
  lock.ttl_left = how.ttl;
  lock.holder = {.client = "0123456789abcdef",
                 .host = "web1",
                 .pid = 4711,
                 .program = "job",
                 .label = how.label};
  lock.holders = {{.party = lock.holder,
                   .token = lock.token,
                   .fence = lock.fence,
                   .role = {},
                   .since = lock.since,
                   .ttl_left = lock.ttl_left}};
  for (const auto wait : how.waits) {
    lock.waiters.push_back({.party = {.client = "fedcba9876543210",
                                      .host = "web2",
                                      .pid = 42,
                                      .program = "job",
                                      .label = {}},
                            .waiting = wait});
  }
  return lock;
}

inline Snapshot snapshot_of(std::initializer_list<LockInfo> locks) {
  Snapshot snapshot;
  snapshot.sweeps = 1;
  snapshot.taken_at = now;
  for (const auto& lock : locks) {
    snapshot.locks.push_back(std::make_shared<const SeenLock>(SeenLock{lock, now, 0}));
  }
  return snapshot;
}

}  // namespace dlock::cli::test
