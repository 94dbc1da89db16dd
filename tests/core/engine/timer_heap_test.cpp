// TimerHeap: what is due comes in its order, whatever was moved and removed.
#include "core/engine/timer_heap.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

namespace dlock::core {
namespace {

Instant at(int when) { return Instant{} + std::chrono::seconds{when}; }

std::vector<int> due(const TimerHeap<int>& heap, int when, std::size_t most = 1000) {
  std::vector<int> items;
  heap.visit_due(at(when), [&](int item) {
    items.push_back(item);
    return items.size() < most;
  });
  return items;
}

TEST(TimerHeap, ItemsOfOneInstantComeInTheOrderOfTheirNumbers) {
  TimerHeap<int> heap;
  EXPECT_TRUE(heap.empty());
  EXPECT_EQ(heap.next(), Instant::max());
  heap.add(at(5), 3, 30);
  heap.add(at(5), 1, 10);
  heap.add(at(5), 2, 20);
  EXPECT_EQ(heap.front(), 10);
  EXPECT_EQ(due(heap, 5), (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(due(heap, 5, 2), (std::vector<int>{10, 20}));
  EXPECT_EQ(due(heap, 4), (std::vector<int>{}));
}

TEST(TimerHeap, ItKeepsTheOrderOfASetThroughRandomChanges) {
  std::mt19937 random{1};
  const auto below = [&](std::uint32_t bound) { return static_cast<int>(random() % bound); };
  TimerHeap<int> heap;
  std::set<std::tuple<Instant, std::uint64_t, int>> model;
  std::map<int, TimerHeap<int>::Handle> handles;
  for (int step = 0; step < 20'000; ++step) {
    const int item = below(200);
    const auto number = static_cast<std::uint64_t>(item);
    const auto when = at(below(50));
    const auto found = handles.find(item);
    if (found == handles.end()) {
      handles[item] = heap.add(when, number, item);
      model.insert({when, number, item});
    } else {
      model.erase({heap.when(found->second), number, item});
      if (below(2) == 0) {
        heap.move(found->second, when);
        model.insert({when, number, item});
      } else {
        heap.remove(found->second);
        handles.erase(found);
      }
    }
    ASSERT_EQ(heap.empty(), model.empty());
    ASSERT_EQ(heap.next(), model.empty() ? Instant::max() : std::get<0>(*model.begin()));
    if (step % 100 == 0) {
      std::vector<int> expected;
      for (const auto& [its, its_number, its_item] : model) {
        if (its <= at(25)) expected.push_back(its_item);
      }
      ASSERT_EQ(due(heap, 25), expected);
    }
  }
}

}  // namespace
}  // namespace dlock::core
