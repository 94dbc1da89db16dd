// TimerHeap: what is due next.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "core/wire/time.hpp"

namespace dlock::core {

/// Items by the instant at which they are due, and those of one instant by a number that differs
/// from item to item, so that the order never depends on chance.
///
/// The next items are in a heap of four branches, in one piece of memory. Of many items, those due
/// after about a tenth of a second lie unordered in buckets of that length: a lease moves its timer
/// two or three times before it is due, which costs the same however many leases there are. Not
/// thread-safe.
template <class Item>
class TimerHeap {
 public:
  /// Names an item for as long as it is in the heap.
  using Handle = std::uint32_t;

  Handle add(Instant when, std::uint64_t number, Item item) {
    Handle handle = 0;
    if (free_.empty()) {
      handle = static_cast<Handle>(slots_.size());
      slots_.emplace_back();
    } else {
      handle = free_.back();
      free_.pop_back();
    }
    slots_[handle] = {std::move(item), when, number};
    enter(handle);
    return handle;
  }

  void move(Handle handle, Instant when) {
    auto& slot = slots_[handle];
    if (slot.is_far || is_far(when)) {
      leave(slot);
      slot.when = when;
      enter(handle);
    } else {
      const bool is_earlier = when < slot.when;
      slot.when = heap_[slot.place].when = when;
      is_earlier ? rise(slot.place) : sink(slot.place);
    }
    fetch();
  }

  void remove(Handle handle) {
    leave(slots_[handle]);
    slots_[handle].item = Item{};
    free_.push_back(handle);
    fetch();
  }

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  /// The instant of an item.
  [[nodiscard]] Instant when(Handle handle) const { return slots_[handle].when; }
  /// The first instant; `Instant::max()` if it is empty.
  [[nodiscard]] Instant next() const { return heap_.empty() ? Instant::max() : heap_[0].when; }
  /// The first item. There must be one.
  [[nodiscard]] const Item& front() const { return slots_[heap_[0].handle].item; }

  /// Shows `visit` the items that are due by `when`, in their order, until it returns false. Takes
  /// time for these items alone. `visit` must not change the heap.
  template <class Visit>
  void visit_due(Instant when, Visit visit) {
    while (!far_.empty() && far_.begin()->first <= bucket_of(when)) {
      fetch_first();
    }
    const auto is_later = [this](std::size_t a, std::size_t b) { return heap_[b] < heap_[a]; };
    std::vector<std::size_t> next;  // a heap of places: what follows an item lies below it
    const auto consider = [&](std::size_t place) {
      if (place < heap_.size() && heap_[place].when <= when) {
        // `visit` needs the slot a few steps later; among 100,000 it is in no cache by then.
        __builtin_prefetch(&slots_[heap_[place].handle]);
        next.push_back(place);
        std::push_heap(next.begin(), next.end(), is_later);
      }
    };
    consider(0);
    while (!next.empty()) {
      std::pop_heap(next.begin(), next.end(), is_later);
      const auto place = next.back();
      next.pop_back();
      if (!visit(slots_[heap_[place].handle].item)) {
        return;
      }
      for (std::size_t child = 1; child <= branches; ++child) {
        consider(place * branches + child);
      }
    }
  }

 private:
  static constexpr std::size_t branches = 4;
  static constexpr std::size_t min_near = 64;  ///< fewer items have no buckets
  static constexpr int bucket_bits = 27;       ///< of nanoseconds: 134 ms

  struct Slot {
    Item item{};
    Instant when{};
    std::uint64_t number = 0;
    std::uint32_t place = 0;  ///< in the heap, or in its bucket
    bool is_far = false;      ///< in a bucket
  };
  struct Entry {
    Instant when;
    std::uint64_t number = 0;
    Handle handle = 0;
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.when != b.when ? a.when < b.when : a.number < b.number;
    }
  };
  using Bucket = Instant::rep;

  static Bucket bucket_of(Instant when) { return when.time_since_epoch().count() >> bucket_bits; }

  // Every item in a bucket is due at `horizon_` or later, and the first in the heap before it.
  bool is_far(Instant when) {
    if (far_.empty()) {
      if (heap_.size() < min_near) {
        return false;
      }
      set_horizon(bucket_of(heap_[0].when));
    }
    return when >= horizon_;
  }
  void set_horizon(Bucket last) {
    constexpr auto end_of_time = Instant::max();
    horizon_ =
        last == bucket_of(end_of_time) ? end_of_time : Instant{Duration{(last + 1) << bucket_bits}};
  }
  void fetch() {
    while (!far_.empty() && (heap_.empty() || heap_[0].when >= horizon_)) {
      fetch_first();
    }
  }
  void fetch_first() {
    const auto bucket = far_.extract(far_.begin());
    set_horizon(bucket.key());
    for (const auto handle : bucket.mapped()) {
      push(handle);
    }
  }

  void enter(Handle handle) {
    auto& slot = slots_[handle];
    if (!is_far(slot.when)) {
      push(handle);
      return;
    }
    auto& bucket = far_[bucket_of(slot.when)];
    slot.is_far = true;
    slot.place = static_cast<std::uint32_t>(bucket.size());
    bucket.push_back(handle);
  }

  void leave(Slot& slot) {
    if (slot.is_far) {
      const auto found = far_.find(bucket_of(slot.when));
      auto& bucket = found->second;
      slots_[bucket.back()].place = slot.place;
      bucket[slot.place] = bucket.back();
      bucket.pop_back();
      if (bucket.empty()) {
        far_.erase(found);
      }
      slot.is_far = false;
      return;
    }
    const std::size_t place = slot.place;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place < heap_.size()) {
      const bool is_earlier = last < heap_[place];
      put(place, last);
      is_earlier ? rise(place) : sink(place);
    }
  }

  void push(Handle handle) {
    auto& slot = slots_[handle];
    slot.is_far = false;
    heap_.push_back({slot.when, slot.number, handle});
    rise(heap_.size() - 1);
  }

  void put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    slots_[entry.handle].place = static_cast<std::uint32_t>(place);
  }

  void rise(std::size_t place) {
    const Entry entry = heap_[place];
    while (place > 0) {
      const auto above = (place - 1) / branches;
      if (!(entry < heap_[above])) {
        break;
      }
      put(place, heap_[above]);
      place = above;
    }
    put(place, entry);
  }

  void sink(std::size_t place) {
    const Entry entry = heap_[place];
    for (;;) {
      const auto first = place * branches + 1;
      if (first >= heap_.size()) {
        break;
      }
      auto least = first;
      for (auto child = first + 1; child < std::min(first + branches, heap_.size()); ++child) {
        least = heap_[child] < heap_[least] ? child : least;
      }
      if (!(heap_[least] < entry)) {
        break;
      }
      put(place, heap_[least]);
      place = least;
    }
    put(place, entry);
  }

  std::vector<Entry> heap_;
  std::map<Bucket, std::vector<Handle>> far_;  ///< no bucket is empty
  Instant horizon_{};
  std::vector<Slot> slots_;  ///< by handle
  std::vector<Handle> free_;
};

}  // namespace dlock::core
