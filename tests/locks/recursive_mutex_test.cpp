// RecursiveMutex: the thread that holds it may lock it again.
#include <future>
#include <mutex>
#include <thread>

#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

using RecursiveMutexTest = ClientTest;

TEST_F(RecursiveMutexTest, TheLastUnlockReleases) {
  Client client{server.url()};
  RecursiveMutex mutex{client, "m"};
  EXPECT_EQ(mutex.depth(), 0);
  mutex.lock();
  const auto token = mutex.lease().token();
  EXPECT_TRUE(mutex.try_lock());
  EXPECT_TRUE(mutex.try_lock_for(1ms));
  const std::unique_lock fourth{mutex};
  EXPECT_EQ(mutex.depth(), 4);
  EXPECT_EQ(mutex.lease().token(), token);
  for (int depth = 3; depth > 0; --depth) {
    mutex.unlock();
    EXPECT_EQ(mutex.depth(), depth);
    EXPECT_TRUE(holds("m", mutex.lease()));
  }
}

TEST_F(RecursiveMutexTest, AThreadThatHasEndedIsNotTakenForAnotherWithItsId) {
  Client client{server.url()};
  RecursiveMutex recursive{client, "r"};
  Mutex plain{client, "m"};
  const auto in_a_thread = [](auto body) { std::thread{body}.join(); };
  in_a_thread([&] { recursive.lock(), plain.lock(); });
  in_a_thread([&] {
    EXPECT_FALSE(recursive.try_lock());
    EXPECT_EQ(recursive.depth(), 0);
    EXPECT_FALSE(plain.try_lock());
  });
  recursive.unlock();
  plain.unlock();
}

TEST_F(RecursiveMutexTest, MoreHoldsCostNoCommand) {
  Client client{server.url()};
  RecursiveMutex mutex{client, "m"};
  const std::lock_guard lock{mutex};
  const auto before = client.stats().commands;
  for (int i = 0; i < 100; ++i) {
    const std::lock_guard again{mutex};
  }
  EXPECT_EQ(client.stats().commands, before);
}

TEST_F(RecursiveMutexTest, OtherThreadsAndClientsStayOutUntilTheLastUnlock) {
  Client client{server.url()};
  Client there{server.url()};
  RecursiveMutex mutex{client, "m"};
  Mutex theirs{there, "m"};
  mutex.lock();
  mutex.lock();
  mutex.unlock();
  const auto elsewhere = [&] {
    const bool got = mutex.try_lock();
    if (got) {
      EXPECT_EQ(mutex.depth(), 1);
      mutex.unlock();
    }
    return got;
  };
  EXPECT_FALSE(std::async(std::launch::async, elsewhere).get());
  EXPECT_EQ(std::async(std::launch::async, [&] { return mutex.depth(); }).get(), 0);
  EXPECT_FALSE(theirs.try_lock());
  mutex.unlock();
  EXPECT_TRUE(std::async(std::launch::async, elsewhere).get());
  EXPECT_TRUE(theirs.try_lock());
  theirs.unlock();
}

TEST_F(RecursiveMutexTest, ALostHoldIsNotAddedTo) {
  Client client{server.url()};
  RecursiveMutex mutex{client, "m", {.ttl = 300ms}};
  mutex.lock();
  server.command({"DEL", "m"});
  ASSERT_TRUE(eventually([&] { return !mutex.lease().held(); }));
  EXPECT_EQ(reason_of([&] { mutex.lock(); }), errc::lost);
  EXPECT_EQ(reason_of([&] { (void)mutex.try_lock(); }), errc::lost);
  EXPECT_EQ(mutex.depth(), 1);
  mutex.unlock();
  mutex.lock();
  EXPECT_TRUE(holds("m", mutex.lease()));
  mutex.unlock();
}

}  // namespace

}  // namespace dlock::test
