// What looking at locks shows, as tuples.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <dlock/dlock.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "held.hpp"

namespace dlock::python {

// The fields of a tuple are those of the struct.
using Text = nb::bytes;
using PyParty = std::tuple<Text, Text, std::int64_t, Text, Text>;
using PyWaiter = std::tuple<PyParty, std::int64_t, std::int64_t>;
using PyHolder =
    std::tuple<PyParty, Text, std::int64_t, std::int64_t, std::string, std::int64_t, Ms>;
using PyLock = std::tuple<Text, int, bool, bool, std::vector<PyHolder>, std::int64_t, std::int64_t,
                          std::vector<PyWaiter>>;
using PyLatchInfo =
    std::tuple<Text, std::int64_t, std::int64_t, bool, std::vector<PyParty>, std::vector<PyWaiter>>;
using PyBarrierInfo = PyLatchInfo;  // parties and phase, instead of count and left

inline PyParty tuple_of(const Party& party) {
  return {bytes_of(party.client), bytes_of(party.host), party.pid, bytes_of(party.program),
          bytes_of(party.label)};
}
inline PyWaiter tuple_of(const WaiterInfo& waiter) {
  return {tuple_of(waiter.party), waiter.waiting.count(), waiter.weight};
}
inline PyHolder tuple_of(const HolderInfo& one) {
  return {tuple_of(one.party),
          bytes_of(one.token),
          one.fence,
          one.weight,
          one.role,
          one.since.count(),
          one.ttl_left ? Ms{one.ttl_left->count()} : std::nullopt};
}
PyLock tuple_of(const LockInfo& lock);
template <class Info>
auto tuples_of(const std::vector<Info>& infos) {
  std::vector<decltype(tuple_of(infos[0]))> tuples;
  tuples.reserve(infos.size());
  for (const auto& info : infos) tuples.push_back(tuple_of(info));
  return tuples;
}
inline PyLock tuple_of(const LockInfo& lock) {
  return {bytes_of(lock.name), static_cast<int>(lock.kind), lock.held,
          lock.foreign,        tuples_of(lock.holders),     lock.permits,
          lock.used,           tuples_of(lock.waiters)};
}
inline PyLatchInfo tuple_of(const LatchInfo& latch) {
  return {bytes_of(latch.name),    latch.count, latch.left, latch.broken, tuples_of(latch.joined),
          tuples_of(latch.waiters)};
}
inline PyBarrierInfo tuple_of(const BarrierInfo& barrier) {
  return {bytes_of(barrier.name), barrier.parties,           barrier.phase,
          barrier.broken,         tuples_of(barrier.joined), tuples_of(barrier.waiters)};
}

}  // namespace dlock::python
