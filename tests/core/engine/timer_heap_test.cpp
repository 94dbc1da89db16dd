// TimerHeap: what is due comes in its order, whatever was moved and removed.
#include "core/engine/timer_heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

namespace dlock::core {
namespace {

/// Two or three of these are in one bucket of a heap.
Instant at(int when) { return Instant{} + when * std::chrono::milliseconds{50}; }

std::vector<int> due(TimerHeap<int>& heap, int when, std::size_t most = 1000) {
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
  std::size_t most = 0;
  for (int step = 0; step < 40'000; ++step) {
    const int item = below(300);
    const auto number = static_cast<std::uint64_t>(item);
    const auto when = below(50) == 0 ? Instant::max() : at(below(200));
    const bool grows = step / 2000 % 2 == 0;  // and shrinks, to a few without buckets
    const auto found = handles.find(item);
    if (found == handles.end()) {
      handles[item] = heap.add(when, number, item);
      model.insert({when, number, item});
    } else {
      model.erase({heap.when(found->second), number, item});
      if (below(8) < (grows ? 7 : 1)) {
        heap.move(found->second, when);
        model.insert({when, number, item});
      } else {
        heap.remove(found->second);
        handles.erase(found);
      }
    }
    most = std::max(most, model.size());
    ASSERT_EQ(heap.empty(), model.empty());
    ASSERT_EQ(heap.next(), model.empty() ? Instant::max() : std::get<0>(*model.begin()));
    if (step % 100 == 0) {
      std::vector<int> expected;
      for (const auto& [its, its_number, its_item] : model) {
        if (its <= at(30)) expected.push_back(its_item);
      }
      ASSERT_EQ(due(heap, 30), expected);
    }
  }
  EXPECT_GT(most, 200U);
}

// As leases do: a timer that is due is set anew, and earlier or later once more before it is due.
TEST(TimerHeap, ItKeepsTheOrderWhileTimePasses) {
  std::mt19937 random{2};
  const auto below = [&](std::uint32_t bound) { return static_cast<int>(random() % bound); };
  TimerHeap<int> heap;
  std::set<std::tuple<Instant, std::uint64_t, int>> model;
  std::map<int, TimerHeap<int>::Handle> handles;
  const auto set = [&](int item, Instant when) {
    const auto number = static_cast<std::uint64_t>(item);
    if (const auto found = handles.find(item); found != handles.end()) {
      model.erase({heap.when(found->second), number, item});
      heap.move(found->second, when);
    } else {
      handles[item] = heap.add(when, number, item);
    }
    model.insert({when, number, item});
  };
  for (int item = 0; item < 300; ++item) set(item, at(below(200)));
  for (int now = 0; now < 20'000; ++now) {
    while (!model.empty() && heap.next() <= at(now)) {
      const auto item = heap.front();
      ASSERT_EQ(item, std::get<2>(*model.begin()));
      if (now < 19'000) {
        set(item, at(now + 1 + below(400)));
        set(below(300), at(now + 1 + below(200)));
      } else {
        model.erase(model.begin());
        heap.remove(handles.at(item));
        handles.erase(item);
      }
      ASSERT_EQ(heap.empty(), model.empty());
      ASSERT_EQ(heap.next(), model.empty() ? Instant::max() : std::get<0>(*model.begin()));
    }
  }
  EXPECT_TRUE(model.empty());
}

TEST(TimerHeap, TheLastInstantOfAllIsAnInstant) {
  TimerHeap<int> heap;
  for (int item = 0; item < 200; ++item) {
    heap.add(item < 100 ? at(item) : Instant::max(), static_cast<std::uint64_t>(item), item);
  }
  std::vector<int> items;
  heap.visit_due(Instant::max(), [&](int item) {
    items.push_back(item);
    return true;
  });
  EXPECT_EQ(items.size(), 200U);
  EXPECT_TRUE(std::is_sorted(items.begin(), items.end()));
}

}  // namespace
}  // namespace dlock::core
