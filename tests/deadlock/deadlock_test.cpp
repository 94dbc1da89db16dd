// Deadlocks: rings of waits are found, one gives up, and what is none is left alone.
#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <list>
#include <optional>
#include <shared_mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "deadlock/waits_for.hpp"
#include "support/client_fixture.hpp"

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
  /// The notes in the store.
  std::vector<detail::Note> notes() {
    std::vector<detail::Note> found;
    std::istringstream keys{server.command({"KEYS", "dlock1:waits:*"})};
    for (std::string key; std::getline(keys, key);) {
      if (auto note = detail::parse_note(server.command({"GET", key}))) found.push_back(*note);
    }
    return found;
  }
  /// Waits until the watch has looked at a wait for `key` this number of times.
  bool looked(const std::string& key, int times) {
    return eventually(
        [&] {
          const auto all = notes();
          return std::ranges::any_of(
              all, [&](const auto& note) { return note.key == key && note.renewed > times; });
        },
        60s);
  }
  bool nothing_is_noted() {
    return eventually([&] { return keys().find("dlock1:waits:") == std::string::npos; });
  }
};

TEST_F(Deadlocks, OneOfThreeGivesUp) { EXPECT_EQ(go_round({"a", "b", "c"}, lock), 1); }

TEST_F(Deadlocks, AThreadWithManyLocksNotesTheLatest) {
  Client other{server.url()};
  std::optional<DistributedLock> held{std::in_place, other, "held"};
  std::jthread waits{[&] {
    Client client{server.url()};
    std::list<DistributedLock> many;
    for (int i = 0; i < 100; ++i) many.emplace_back(client, "many" + std::to_string(i));
    lock(client, "held");
  }};
  EXPECT_TRUE(looked("held", 1));
  EXPECT_EQ(notes().size(), 64U);
  held.reset();
  waits.join();
  EXPECT_TRUE(nothing_is_noted());
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

TEST_F(Deadlocks, ManyHoldersCostALongWaitABoundedNumberOfCommands) {
  Client readers{server.url()};
  Client writes{server.url()};
  SharedMutex pages{readers, "pages"};
  std::vector<Lease> held;
  for (int i = 0; i < 1500; ++i) held.push_back(pages.reader().acquire());
  std::jthread writer{[&] {
    const DistributedLock first{writes, "a"};
    SharedMutex mine{writes, "pages"};
    const std::unique_lock second{mine};
  }};
  // The number of notes that were read; ours are told apart by their number.
  int own = 0;
  const auto renewed_at_least = [&](int times) {
    return eventually(
        [&] {
          const auto all = notes();
          own += static_cast<int>(all.size());
          return std::ranges::any_of(all, [&](const auto& note) { return note.renewed >= times; });
        },
        60s);
  };
  const auto gets = [&] {
    const auto all = server.command({"INFO", "commandstats"});
    const auto calls = all.find("cmdstat_get:calls=");
    return std::stoi(all.substr(calls + std::string_view{"cmdstat_get:calls="}.size())) - own;
  };
  ASSERT_TRUE(renewed_at_least(2));
  const int before = gets();
  ASSERT_TRUE(renewed_at_least(4));
  EXPECT_LT(gets() - before, 3 * 300) << "of at most three looks";
  held.clear();
}

TEST_F(Deadlocks, AReaderAmongManyIsSeenInARing) {
  Client many{server.url()};
  Client one{server.url()};
  Client two{server.url()};
  SharedMutex pages{many, "pages"};
  std::vector<Lease> others;
  for (int i = 0; i < 250; ++i) others.push_back(pages.reader().acquire());
  std::latch start{2};
  std::atomic<int> told{0};
  {
    const std::jthread reader{[&] {
      SharedMutex mine{one, "pages"};
      const std::shared_lock held{mine};
      start.arrive_and_wait();
      try {
        lock(one, "a");
      } catch (const Deadlock&) {
        ++told;
      }
    }};
    const std::jthread writer{[&] {
      const DistributedLock held{two, "a"};
      start.arrive_and_wait();
      SharedMutex mine{two, "pages"};
      try {
        static_cast<void>(mine.try_acquire_for(60s));
      } catch (const Deadlock&) {
        ++told;
      }
    }};
    EXPECT_TRUE(eventually([&] { return told > 0; }, 20s));
    others.clear();
  }
  EXPECT_EQ(told, 1);
}

TEST_F(Deadlocks, LocksThatAcquireAllHoldCountToo) {
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

TEST_F(Deadlocks, WhateverIsHeldAndWhateverOtherThreadsDidWithIt) {
  // `hold(client, name)` in one ring each, all at once: `want(client, name)` waits for it.
  const auto ring = [&](const std::string& name, auto hold, auto want) {
    return std::async(std::launch::async, [this, name, hold, want] {
      Client one{server.url()};
      Client two{server.url()};
      std::latch start{2};
      auto first = std::async(std::launch::async, [&] {
        const auto held = hold(one, name);
        start.arrive_and_wait();
        return reason_of([&] { lock(one, "with " + name); }) == errc::deadlock;
      });
      auto second = std::async(std::launch::async, [&] {
        const DistributedLock held{two, "with " + name};
        start.arrive_and_wait();
        return reason_of([&] { want(two, name); }) == errc::deadlock;
      });
      return static_cast<int>(first.get()) + static_cast<int>(second.get());
    });
  };
  const auto write = [](Client& client, const std::string& name) {
    EXPECT_TRUE((SharedMutex{client, name}.try_acquire_for(60s)));
  };
  const auto take = [](Client& client, const std::string& name) {
    EXPECT_TRUE((Mutex{client, name}.try_acquire_for(60s)));
  };
  struct Reader {
    Reader(Client& client, const std::string& name) : mutex(client, name) {
      mutex.lock_shared();
      // The others come and go before and after it in the object.
      std::jthread{[&] { const std::shared_lock also{mutex}; }}.join();
    }
    ~Reader() { mutex.unlock_shared(); }
    SharedMutex mutex;
  };
  std::vector<std::pair<std::string, std::future<int>>> rings;
  const auto add = [&](const std::string& name, auto hold, auto want) {
    rings.emplace_back(name, ring(name, hold, want));
  };
  add(
      "shared",
      [](Client& client, const std::string& name) {
        return std::make_unique<Reader>(client, name);
      },
      write);
  add(
      "recursive",
      [](Client& client, const std::string& name) {
        auto mutex = std::make_shared<RecursiveMutex>(client, name);
        mutex->lock();
        mutex->lock();
        std::jthread{[&] { EXPECT_FALSE(mutex->try_lock()); }}.join();
        return std::shared_ptr<void>(mutex.get(), [mutex](void*) { mutex->unlock(); });
      },
      take);
  add(
      "semaphore",
      [](Client& client, const std::string& name) { return Semaphore{client, name, 1}.acquire(); },
      [](Client& client, const std::string& name) {
        EXPECT_TRUE((Semaphore{client, name, 1}.try_acquire_for(60s)));
      });
  add(
      "upgradeable",
      [](Client& client, const std::string& name) {
        return SharedMutex{client, name}.acquire_upgradeable();
      },
      write);
  add(
      "upgradeable, if free",
      [](Client& client, const std::string& name) {
        return SharedMutex{client, name}.try_acquire_upgradeable();
      },
      write);
  add(
      "downgraded",
      [](Client& client, const std::string& name) {
        SharedMutex mutex{client, name};
        return mutex.downgrade(mutex.acquire());
      },
      write);
  add(
      "leadership",
      [](Client& client, const std::string& name) { return Election{client, name}.campaign("me"); },
      take);
  add(
      "leadership, if nobody leads",
      [](Client& client, const std::string& name) {
        return Election{client, name}.try_campaign("me");
      },
      take);
  add(
      "all",
      [](Client& client, const std::string& name) {
        return acquire_all(client, {name, name + " too"});
      },
      take);
  add(
      "all, if free",
      [](Client& client, const std::string& name) {
        return try_acquire_all(client, {name, name + " too"});
      },
      take);
  add(
      "handed over",
      [](Client& client, const std::string& name) {
        auto mutex = std::make_shared<Mutex>(client, name);
        std::jthread{[&] { mutex->lock(); }}.join();
        mutex->adopt();
        return std::shared_ptr<void>(mutex.get(), [mutex](void*) { mutex->unlock(); });
      },
      take);
  for (auto& [name, told] : rings) EXPECT_EQ(told.get(), 1) << name;
}

TEST_F(Deadlocks, LeasesThatWereHandedOverTogetherAreNotTheirFormerThreads) {
  Client one{server.url()};
  Client two{server.url()};
  std::promise<Leases> all;
  std::promise<UpgradeableLease> pages;
  std::latch start{2};
  auto waits = std::async(std::launch::async, [&] {
    all.set_value(acquire_all(one, {"a", "c"}));
    pages.set_value(SharedMutex{one, "pages"}.acquire_upgradeable());
    start.arrive_and_wait();
    lock(one, "b");
  });
  auto handed = all.get_future().get();
  auto read = pages.get_future().get();
  auto other = std::async(std::launch::async, [&] {
    const DistributedLock first{two, "b"};
    start.arrive_and_wait();
    lock(two, "a");
    EXPECT_TRUE((SharedMutex{two, "pages"}.acquire()));
  });
  EXPECT_TRUE(looked("a", 2));
  EXPECT_TRUE(list_deadlocks(one).empty());
  handed.release();
  read.release();
  EXPECT_NO_THROW(other.get());
  EXPECT_NO_THROW(waits.get());
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
  EXPECT_TRUE(looked("a", 3));
  EXPECT_TRUE(list_deadlocks(one).empty());
  handed.release();
  EXPECT_NO_THROW(other.get());
  EXPECT_NO_THROW(waits.get());
}

TEST_F(Deadlocks, OneOfTwoGivesUpAndTheRingIsListedWhileItLasts) {
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
  EXPECT_TRUE(nothing_is_noted());
}

TEST_F(Deadlocks, AWaitOfAThreadWithoutLocksLeavesNoNote) {
  Client one{server.url()};
  Client two{server.url()};
  Client three{server.url()};
  std::optional<Lease> held{Mutex{two, "b"}.acquire()};
  auto free = std::async(std::launch::async, [&] { lock(one, "b"); });
  EXPECT_TRUE(come_to_wait("b", 1));
  auto bound = std::async(std::launch::async, [&] {
    const DistributedLock first{three, "a"};
    lock(three, "b");
  });
  EXPECT_TRUE(looked("b", 2));
  EXPECT_EQ(notes().size(), 1U) << "of the wait that began later";
  held.reset();
  free.get();
  bound.get();
}

detail::Link link(const std::string& token, const std::string& wait, std::int64_t renewed) {
  return {"key of " + token, token, {wait, renewed, "what " + token + " waits for"}};
}

TEST(DeadlockRing, IsConfirmedWhenAllWaitsWereRenewedSinceItWasFirstSeen) {
  detail::Ring suspected;
  EXPECT_FALSE(detail::is_confirmed(suspected, {link("a", "w1", 5), link("b", "w2", 1)}));
  EXPECT_FALSE(detail::is_confirmed(suspected, {link("a", "w1", 6), link("b", "w2", 1)}));
  EXPECT_TRUE(detail::is_confirmed(suspected, {link("a", "w1", 7), link("b", "w2", 2)}));
}

TEST(DeadlockRing, BeginsAnewWithAnotherWaitOfTheSameHolder) {
  // One that ended and came again was not in the ring in between.
  detail::Ring suspected;
  EXPECT_FALSE(detail::is_confirmed(suspected, {link("a", "w1", 5), link("b", "w2", 9)}));
  EXPECT_FALSE(detail::is_confirmed(suspected, {link("a", "w1", 6), link("b", "w3", 1)}));
  EXPECT_FALSE(detail::is_confirmed(suspected, {link("a", "w1", 7), link("b", "w3", 1)}));
  EXPECT_TRUE(detail::is_confirmed(suspected, {link("a", "w1", 8), link("b", "w3", 2)}));
}

TEST(DeadlockRing, BeginsAnewWithAnotherHolder) {
  detail::Ring suspected;
  EXPECT_FALSE(detail::is_confirmed(suspected, {link("a", "w1", 5), link("b", "w2", 1)}));
  EXPECT_FALSE(detail::is_confirmed(suspected, {link("a", "w1", 6), link("c", "w4", 7)}));
  EXPECT_TRUE(detail::is_confirmed(suspected, {link("a", "w1", 7), link("c", "w4", 8)}));
}

}  // namespace
}  // namespace dlock::test
