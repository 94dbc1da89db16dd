// TimerHeap: what is due next.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/wire/time.hpp"

namespace dlock::core {

/// Items by the instant at which they are due, and those of one instant by a number that differs
/// from item to item, so that the order never depends on chance. A heap of four branches in one
/// piece of memory: with 100,000 leases, the nodes of a tree would be cold in the cache whenever
/// their turn comes. Not thread-safe.
template <class Item>
class TimerHeap {
 public:
  /// Names an item for as long as it is in the heap.
  using Handle = std::uint32_t;

  Handle add(Instant when, std::uint64_t number, Item item) {
    Handle handle = 0;
    if (free_.empty()) {
      handle = static_cast<Handle>(items_.size());
      items_.push_back(std::move(item));
      places_.push_back(0);
    } else {
      handle = free_.back();
      free_.pop_back();
      items_[handle] = std::move(item);
    }
    heap_.push_back({when, number, handle});
    rise(heap_.size() - 1);
    return handle;
  }

  void move(Handle handle, Instant when) {
    const std::size_t place = places_[handle];
    const bool is_earlier = when < heap_[place].when;
    heap_[place].when = when;
    is_earlier ? rise(place) : sink(place);
  }

  void remove(Handle handle) {
    const std::size_t place = places_[handle];
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place < heap_.size()) {
      const bool is_earlier = last < heap_[place];
      put(place, last);
      is_earlier ? rise(place) : sink(place);
    }
    items_[handle] = Item{};
    free_.push_back(handle);
  }

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  /// The instant of an item.
  [[nodiscard]] Instant when(Handle handle) const { return heap_[places_[handle]].when; }
  /// The first instant; `Instant::max()` if it is empty.
  [[nodiscard]] Instant next() const { return heap_.empty() ? Instant::max() : heap_[0].when; }
  /// The first item. There must be one.
  [[nodiscard]] const Item& front() const { return items_[heap_[0].handle]; }

  /// Shows `visit` the items that are due by `when`, in their order, until it returns false. Takes
  /// time for these items alone. `visit` must not change the heap.
  template <class Visit>
  void visit_due(Instant when, Visit visit) const {
    const auto is_later = [this](std::size_t a, std::size_t b) { return heap_[b] < heap_[a]; };
    std::vector<std::size_t> next;  // a heap of places: what follows an item lies below it
    const auto consider = [&](std::size_t place) {
      if (place < heap_.size() && heap_[place].when <= when) {
        next.push_back(place);
        std::push_heap(next.begin(), next.end(), is_later);
      }
    };
    consider(0);
    while (!next.empty()) {
      std::pop_heap(next.begin(), next.end(), is_later);
      const auto place = next.back();
      next.pop_back();
      if (!visit(items_[heap_[place].handle])) {
        return;
      }
      for (std::size_t child = 1; child <= branches; ++child) {
        consider(place * branches + child);
      }
    }
  }

 private:
  static constexpr std::size_t branches = 4;

  struct Entry {
    Instant when;
    std::uint64_t number = 0;
    Handle handle = 0;
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.when != b.when ? a.when < b.when : a.number < b.number;
    }
  };

  void put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    places_[entry.handle] = static_cast<std::uint32_t>(place);
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
  std::vector<std::uint32_t> places_;  ///< in the heap, by handle
  std::vector<Item> items_;            ///< by handle
  std::vector<Handle> free_;
};

}  // namespace dlock::core
