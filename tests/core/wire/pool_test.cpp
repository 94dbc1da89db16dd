// Pool: freed pieces are used again, by size, and only some are kept.
#include "core/wire/pool.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <list>
#include <map>
#include <memory_resource>
#include <random>
#include <set>
#include <vector>

namespace dlock::core {
namespace {

TEST(Pool, AFreedPieceIsTheNextOfItsSize) {
  Pool pool;
  auto* const first = pool.allocate(48);
  auto* const other = pool.allocate(49);
  pool.deallocate(first, 48);
  pool.deallocate(other, 49);
  EXPECT_EQ(pool.allocate(64), other);
  EXPECT_EQ(pool.allocate(33), first);
  pool.deallocate(other, 64);
  pool.deallocate(first, 33);
}

TEST(Pool, LargePiecesAreNotKept) {
  Pool pool;
  void* pieces[] = {pool.allocate(1024), pool.allocate(1025), pool.allocate(100'000)};
  std::memset(pieces[0], 1, 1024);
  std::memset(pieces[1], 1, 1025);
  std::memset(pieces[2], 1, 100'000);
  pool.deallocate(pieces[0], 1024);
  pool.deallocate(pieces[1], 1025);
  pool.deallocate(pieces[2], 100'000);
  auto* const again = pool.allocate(1009);
  EXPECT_EQ(again, pieces[0]);
  pool.deallocate(again, 1009);
}

// The address sanitizer looks on: no two live pieces overlap, and all of them go back.
TEST(Pool, LivePiecesAreApart) {
  Pool pool;
  std::mt19937 random{1};
  std::map<unsigned char*, std::size_t> live;
  for (int step = 0; step < 20'000; ++step) {
    if (live.size() < 500 || random() % 2 == 0) {
      const std::size_t size = 1 + random() % 1200;
      auto* const piece = static_cast<unsigned char*>(pool.allocate(size));
      std::memset(piece, static_cast<int>(size % 251), size);
      ASSERT_TRUE(live.emplace(piece, size).second);
    } else {
      const auto piece =
          std::next(live.begin(), static_cast<std::ptrdiff_t>(random() % live.size()));
      for (std::size_t i = 0; i < piece->second; ++i) {
        ASSERT_EQ(piece->first[i], piece->second % 251);
      }
      pool.deallocate(piece->first, piece->second);
      live.erase(piece);
    }
  }
  for (const auto& [piece, size] : live) pool.deallocate(piece, size);
}

TEST(Pool, ContainersLiveInIt) {
  Pool pool;
  {
    std::pmr::list<int> numbers{&pool};
    for (int i = 0; i < 5000; ++i) numbers.push_back(i);  // more than it keeps
    const auto shared = pool.make<std::set<int>>();
    shared->insert(1);
  }
  std::pmr::list<int> again{&pool};
  again.push_back(1);
  EXPECT_EQ(again.front(), 1);
}

}  // namespace
}  // namespace dlock::core
