// Random bits of programs whose machine was resumed from a snapshot: what was in memory is the same
// in all of them, what the kernel gives is not.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <future>
#include <set>

#include "support/client_fixture.hpp"

namespace {

std::atomic<std::size_t> bytes_drawn{0};
std::atomic<bool> draws_same{false};

}  // namespace

extern "C" ssize_t getrandom(void* into, std::size_t size, unsigned flags) {
  if (draws_same) {
    std::memset(into, 0x5a, size);
    return static_cast<ssize_t>(size);
  }
  const auto got = ::syscall(SYS_getrandom, into, size, flags);
  bytes_drawn += got > 0 ? static_cast<std::size_t>(got) : 0;
  return got;
}

namespace dlock::test {
namespace {

TEST(Snapshot, EveryTokenIsDrawnFromTheKernelAfterItWasAskedFor) {
  const RedisServer server{};
  Client client{server.url()};
  Mutex mutex{client, "job"};
  std::set<std::string> randoms;
  for (int i = 0; i < 200; ++i) {
    const auto before = bytes_drawn.load();
    const auto lease = mutex.acquire();
    EXPECT_GE(bytes_drawn.load() - before, 16U) << i;
    EXPECT_LE(bytes_drawn.load() - before, 64U) << "kept for later? " << i;
    randoms.insert(lease.token().substr(core::token_random_at, 32));
  }
  EXPECT_EQ(randoms.size(), 200U);
}

/// While it lives, random bits are always the same.
struct SameBits {
  SameBits() { draws_same = true; }
  ~SameBits() { draws_same = false; }
  SameBits(const SameBits&) = delete;
  SameBits& operator=(const SameBits&) = delete;
};

/// Two clients that were one when a snapshot was made: their ids are equal.
class Twins : public ClientTest {
 protected:
  static Client before_the_snapshot(const std::string& url) {
    const SameBits same;
    return Client{url};
  }

  Client one = before_the_snapshot(server.url());
  Client two = before_the_snapshot(server.url());

  void TearDown() override { server.command({"FLUSHALL"}); }

  /// Both take turns many times; fences show that there was one at a time.
  template <class Take>
  void take_turns(Take take) {
    std::atomic<int> inside{0};
    std::atomic<std::int64_t> last{0};
    const auto work = [&](Client& client) {
      for (int i = 0; i < 50; ++i) {
        auto lease = take(client);
        EXPECT_EQ(++inside, 1);
        EXPECT_LT(last.exchange(lease.fence()), lease.fence());
        --inside;
        lease.release();
      }
    };
    auto other = std::async(std::launch::async, [&] { work(two); });
    work(one);
    other.get();
  }
};

TEST_F(Twins, HaveOneIdAndTokensOfTheirOwn) {
  const auto mine = Mutex{one, "a"}.acquire();
  const auto theirs = Mutex{two, "b"}.acquire();
  EXPECT_EQ(core::client_of(mine.token()), core::client_of(theirs.token()));
  EXPECT_NE(core::random_of(mine.token()), core::random_of(theirs.token()));
  EXPECT_FALSE((Mutex{two, "a"}.try_acquire()));
}

TEST_F(Twins, ExcludeEachOther) {
  take_turns([](Client& client) { return Mutex{client, "k"}.acquire(); });
  take_turns([](Client& client) { return SharedMutex{client, "r"}.acquire(); });
  take_turns([](Client& client) { return Semaphore{client, "s", 1}.acquire(); });
}

TEST_F(Twins, GetTheirOwnGrantsAndLeaveThoseOfTheOther) {
  auto lease = Mutex{one, "k"}.acquire();
  auto next = std::async(std::launch::async, [&] { return Mutex{two, "k"}.acquire(); });
  ASSERT_TRUE(come_to_wait("k", 1));
  lease.release();
  const auto theirs = next.get();
  EXPECT_FALSE((Mutex{one, "k"}.try_acquire()));
  EXPECT_NO_THROW(theirs.ensure_held());
  EXPECT_EQ(break_lock(one, "k", theirs.fence()), BreakOutcome::broken);
}

TEST_F(Twins, MeetAtGates) {
  auto opened = std::async(std::launch::async, [&] {
    const bool met = Barrier{two, "b", 2}.arrive_and_wait_for(20s);
    return Latch{two, "l", 1}.wait_for(20s) && met;
  });
  EXPECT_TRUE((Barrier{one, "b", 2}.arrive_and_wait_for(20s)));
  Latch{one, "l", 1}.count_down();
  EXPECT_TRUE(opened.get());
}

TEST_F(Twins, OneThatReconnectsEndsNothingOfTheOther) {
  const auto mine = Mutex{one, "a"}.acquire();
  const auto theirs = Mutex{two, "b"}.acquire();
  server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  take_turns([](Client& client) { return Mutex{client, "k"}.acquire(); });
  EXPECT_NO_THROW(mine.ensure_held());
  EXPECT_NO_THROW(theirs.ensure_held());
  EXPECT_LE(one.stats().reconnects + two.stats().reconnects, 2U);
}

}  // namespace
}  // namespace dlock::test
