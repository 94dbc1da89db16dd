// Waiters: the waits of one client, each until its deadline.
#pragma once

#include <algorithm>
#include <list>
#include <memory>
#include <memory_resource>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/engine/actions.hpp"
#include "core/engine/timer_heap.hpp"
#include "core/wire/pool.hpp"

namespace dlock::core {

struct Waiting {
  WaiterId id = 0;
  AcquireRequest request;
  Instant since;
  std::optional<TimerHeap<WaiterId>::Handle> deadline{};
};
/// The waiters of one lock, in the order of their turn.
using WaiterQueue = std::list<Waiting>;

/// Has the place and the deadline of each wait. A `Place` has a queue, `waiters`. One Obtained or
/// Refusal ends each wait. Not thread-safe.
template <class Place>
class Waiters {
 public:
  struct Position {
    std::shared_ptr<Place> place;
    WaiterQueue::iterator waiter;
  };

  explicit Waiters(Output& output) : output_(output) {}

  /// Puts a new wait at the end of the queue at `place`.
  void enter(Instant now, const std::shared_ptr<Place>& place, WaiterId id,
             AcquireRequest&& request) {
    auto& queue = place->waiters;
    spare_.empty() ? void(queue.emplace_back()) : queue.splice(queue.end(), spare_, spare_.begin());
    auto& waiting = queue.back();
    waiting.id = id;
    waiting.request = std::move(request);
    waiting.since = now;
    output_.statistics->wait_began(waiting.request.group);
    if (waiting.request.deadline) {
      waiting.deadline = deadlines_.add(*waiting.request.deadline, id, id);
    }
    positions_[id] = {place, std::prev(queue.end())};
  }

  /// Ends a wait at `place` with a Refusal.
  void refuse(Place& place, WaiterQueue::iterator waiter, Refusal refusal) {
    if (refusal.kind == Refusal::Kind::timed_out) {
      output_.statistics->timed_out(waiter->request.group);
    }
    leave(place, waiter);
    output_.act(std::move(refusal));
  }

  /// Ends the first wait at `place` with `lease`.
  void hand_to_front(Instant now, Place& place, std::shared_ptr<LeaseRecord> lease,
                     AcquiredBy way) {
    const auto front = place.waiters.begin();
    output_.act(Obtained{front->id, std::move(lease), way, now - front->since});
    leave(place, front);
  }

  /// Ends the first wait at `place` without an answer, and returns it.
  [[nodiscard]] std::pair<WaiterId, AcquireRequest> take_front(Place& place) {
    const auto front = place.waiters.begin();
    std::pair<WaiterId, AcquireRequest> taken{front->id, front->request};
    leave(place, front);
    return taken;
  }

  /// Null if it is over.
  [[nodiscard]] const Position* find(WaiterId id) const {
    const auto found = positions_.find(id);
    return found == positions_.end() ? nullptr : &found->second;
  }

  /// All waits, in the order of their ids.
  [[nodiscard]] std::vector<WaiterId> ids() const {
    std::vector<WaiterId> ids;
    for (const auto& [id, position] : positions_) {
      ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  [[nodiscard]] std::optional<Instant> next_deadline() const {
    return deadlines_.empty() ? std::nullopt : std::optional{deadlines_.next()};
  }
  /// The wait with the earliest deadline. There must be one.
  [[nodiscard]] const Position& next_to_end() const { return positions_.at(deadlines_.front()); }

 private:
  void leave(Place& place, WaiterQueue::iterator waiter) {
    if (waiter->deadline) {
      deadlines_.remove(*waiter->deadline);
    }
    positions_.erase(waiter->id);
    output_.statistics->wait_ended(waiter->request.group);
    if (spare_.size() == max_spare) {
      place.waiters.erase(waiter);
    } else {
      *waiter = {};
      spare_.splice(spare_.end(), place.waiters, waiter);
    }
  }

  static constexpr std::size_t max_spare = 1024;

  Output& output_;
  Pool pool_;
  std::pmr::unordered_map<WaiterId, Position> positions_{&pool_};
  TimerHeap<WaiterId> deadlines_;
  WaiterQueue spare_;  ///< of ended waits, for the next ones
};

}  // namespace dlock::core
