// Deadlocks: rings of waits are found, one gives up, and what is none is left alone.
#include <atomic>
#include <future>
#include <latch>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "client/fixture.hpp"

namespace dlock::test {
namespace {

class Deadlocks : public ClientTest {
 protected:
  /// As many clients as names; each takes its own name, then, when all have theirs, the next one's.
  /// How many were told of a deadlock.
  template <class Second>
  int go_round(const std::vector<std::string>& names, Second second) {
    std::latch start{static_cast<std::ptrdiff_t>(names.size())};
    std::vector<std::future<bool>> parties;
    for (std::size_t i = 0; i < names.size(); ++i) {
      parties.push_back(std::async(std::launch::async, [&, i] {
        Client client{server.url(), {.label = "party" + std::to_string(i)}};
        const DistributedLock first{client, names[i]};
        start.arrive_and_wait();
        try {
          second(client, names[(i + 1) % names.size()]);
        } catch (const Deadlock& error) {
          EXPECT_EQ(error.code(), std::errc::resource_deadlock_would_occur);
          for (const auto& name : names) EXPECT_THAT(error.what(), HasSubstr('"' + name + '"'));
          EXPECT_THAT(error.what(), HasSubstr("party" + std::to_string(i)));
          return true;
        }
        return false;
      }));
    }
    int told = 0;
    for (auto& party : parties) told += party.get() ? 1 : 0;
    return told;
  }
  static void lock(Client& client, const std::string& name) {
    const DistributedLock second{client, name};
  }
  bool nothing_is_noted() {
    return eventually([&] { return keys().find("dlock1:waits:") == std::string::npos; });
  }
};

TEST_F(Deadlocks, OfTwoInOppositeOrdersOneGivesUp) {
  EXPECT_EQ(go_round({"a", "b"}, lock), 1);
  EXPECT_TRUE(nothing_is_noted());
}

TEST_F(Deadlocks, OfThreeOneGivesUp) { EXPECT_EQ(go_round({"a", "b", "c"}, lock), 1); }

TEST_F(Deadlocks, AMutexThatIsLockedByItsThreadCountsToo) {
  EXPECT_EQ(go_round({"a", "b"},
                     [](Client& client, const std::string& name) {
                       Mutex mutex{client, name};
                       const std::lock_guard second{mutex};
                     }),
            1);
}

TEST_F(Deadlocks, ALimitOfTheWaitIsNoReasonNotToTell) {
  EXPECT_EQ(go_round({"a", "b"},
                     [](Client& client, const std::string& name) {
                       EXPECT_TRUE((Mutex{client, name}.try_acquire_for(60s)));
                     }),
            1);
}

TEST_F(Deadlocks, ThreadsOfOneClientAreToldApart) {
  Client client{server.url()};
  std::latch start{2};
  std::atomic<int> told{0};
  {
    std::vector<std::jthread> threads;
    for (const bool forward : {true, false}) {
      threads.emplace_back([&, forward] {
        const DistributedLock first{client, forward ? "a" : "b"};
        start.arrive_and_wait();
        try {
          const DistributedLock second{client, forward ? "b" : "a"};
        } catch (const Deadlock&) {
          ++told;
        }
      });
    }
  }
  EXPECT_EQ(told, 1);
}

TEST_F(Deadlocks, AWriterAndAReaderInARing) {
  Client one{server.url()};
  Client two{server.url()};
  std::latch start{2};
  std::atomic<int> told{0};
  {
    const std::jthread reader{[&] {
      SharedMutex pages{one, "pages"};
      const std::shared_lock held{pages};
      start.arrive_and_wait();
      try {
        const DistributedLock second{one, "a"};
      } catch (const Deadlock&) {
        ++told;
      }
    }};
    const std::jthread writer{[&] {
      const DistributedLock held{two, "a"};
      start.arrive_and_wait();
      SharedMutex pages{two, "pages"};
      try {
        const std::unique_lock second{pages};
      } catch (const Deadlock&) {
        ++told;
      }
    }};
  }
  EXPECT_EQ(told, 1);
}

TEST_F(Deadlocks, SeveralThatAreWaitedForInOrderCountToo) {
  Client one{server.url()};
  Client two{server.url()};
  std::optional<DistributedLock> b{std::in_place, two, "b"};
  auto all = std::async(std::launch::async, [&] {
    try {
      const Leases both = acquire_all(one, {"a", "b"});
    } catch (const Deadlock&) {
      return 1;
    }
    return 0;
  });
  EXPECT_TRUE(come_to_wait("b", 1));  // a is held, as it comes first
  int told = 0;
  try {
    const DistributedLock a{two, "a"};
  } catch (const Deadlock&) {
    told = 1;
  }
  b.reset();
  EXPECT_EQ(told + all.get(), 1);
}

TEST_F(Deadlocks, ALongWaitIsNone) {
  Client one{server.url()};
  Client two{server.url()};
  std::optional<Lease> b{Mutex{two, "b"}.acquire()};
  auto waits = std::async(std::launch::async, [&] {
    const DistributedLock first{one, "a"};
    lock(one, "b");
  });
  EXPECT_TRUE(eventually([&] { return keys().find("dlock1:waits:") != std::string::npos; }, 20s));
  std::this_thread::sleep_for(5s);
  EXPECT_TRUE(list_deadlocks(one).empty());
  b.reset();
  EXPECT_NO_THROW(waits.get());
  EXPECT_TRUE(nothing_is_noted());
}

TEST_F(Deadlocks, ALeaseThatWasHandedOverIsNotItsFormerThreads) {
  // It has gone to another thread, which will give it back: that is no ring.
  Client one{server.url()};
  Client two{server.url()};
  std::promise<Lease> a;
  std::latch start{2};
  auto waits = std::async(std::launch::async, [&] {
    a.set_value(Mutex{one, "a"}.acquire());
    start.arrive_and_wait();
    lock(one, "b");
  });
  auto handed = a.get_future().get();
  auto other = std::async(std::launch::async, [&] {
    const DistributedLock first{two, "b"};
    start.arrive_and_wait();
    lock(two, "a");
  });
  std::this_thread::sleep_for(8s);
  EXPECT_TRUE(list_deadlocks(one).empty());
  handed.release();
  EXPECT_NO_THROW(other.get());
  EXPECT_NO_THROW(waits.get());
}

TEST_F(Deadlocks, ThoseInARingAreListedWhileItLasts) {
  Client looks{server.url()};
  auto round = std::async(std::launch::async, [&] { return go_round({"a", "b"}, lock); });
  std::vector<std::vector<DeadlockLink>> rings;
  EXPECT_TRUE(eventually([&] { return !(rings = list_deadlocks(looks)).empty(); }, 20s));
  ASSERT_EQ(rings.size(), 1U);
  ASSERT_EQ(rings[0].size(), 2U);
  for (const auto& link : rings[0]) {
    EXPECT_EQ(link.holder.label, link.name == "a" ? "party0" : "party1");
  }
  EXPECT_EQ(round.get(), 1);
  EXPECT_TRUE(eventually([&] { return list_deadlocks(looks).empty(); }));
}

TEST_F(Deadlocks, WhoHoldsNothingElseLeavesNoNote) {
  Client one{server.url()};
  Client two{server.url()};
  std::optional<Lease> held{Mutex{two, "b"}.acquire()};
  auto waits = std::async(std::launch::async, [&] { lock(one, "b"); });
  EXPECT_TRUE(come_to_wait("b", 1));
  std::this_thread::sleep_for(4s);
  EXPECT_EQ(keys().find("dlock1:waits:"), std::string::npos);
  held.reset();
  waits.get();
}

}  // namespace
}  // namespace dlock::test
