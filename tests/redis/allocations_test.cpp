// The memory that a reply costs: nothing, once the connection is warm; and that of a lock.
#include <gtest/gtest.h>

#include <algorithm>

#include <cstdlib>
#include <new>

#include "dlock/client.hpp"
#include "dlock/mutex.hpp"
#include "dlock/semaphore.hpp"
#include "redis/connecting.hpp"
#include "redis/resp3.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace {

thread_local std::size_t allocations = 0;
thread_local std::size_t largest = 0;

void* allocate(std::size_t size) {
  ++allocations;
  largest = std::max(largest, size);
  if (void* memory = std::malloc(size); memory != nullptr) return memory;
  throw std::bad_alloc{};
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace dlock::redis {
namespace {

constexpr std::string_view replies[]{
    "$24\r\n12345678 acquired 17 300\r\n",
    "+OK\r\n",
    ":42\r\n",
    "_\r\n",
    "$-1\r\n",
    "#t\r\n",
    "-NOSCRIPT No matching script.\r\n",
    ">3\r\n$8\r\nsmessage\r\n$8\r\ndlock1:c\r\n$5\r\nhello\r\n",
    "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n",
};

TEST(Allocations, AReaderMakesNoneForSmallReplies) {
  resp3::Reader reader;
  reader.feed("+warm\r\n");
  ASSERT_TRUE(reader.next());
  const auto before = allocations;
  std::size_t values = 0;
  for (int round = 0; round < 100; ++round) {
    for (const auto reply : replies) {
      reader.feed(reply.substr(0, reply.size() / 2));
      if (reader.next()) ++values;
      reader.feed(reply.substr(reply.size() / 2));
      if (reader.next()) ++values;
    }
  }
  const auto made = allocations - before;
  EXPECT_EQ(made, 0U);
  EXPECT_EQ(values, 100 * std::size(replies));
}

TEST(Allocations, AReaderMakesNoneForWhatIsOnlyAnnounced) {
  for (const std::string_view announced :
       {"$536870912\r\n", "!536870912\r\n", "=536870912\r\n", "*4194304\r\n", "%2097152\r\n",
        "~4194304\r\n", ">4194304\r\n", "|2097151\r\n", "*4000\r\n*1000\r\n*10\r\n*10\r\n"}) {
    resp3::Reader reader;
    reader.feed("+warm\r\n");
    ASSERT_TRUE(reader.next());
    const auto before = allocations;
    reader.feed(announced);
    const bool whole = reader.next().has_value();
    const auto made = allocations - before;
    EXPECT_EQ(made, 0U) << announced;
    EXPECT_FALSE(whole);
    EXPECT_EQ(reader.problem(), "");
  }
}

TEST(Allocations, AReaderGivesItsMemoryBackAfterALargeReply) {
  resp3::Reader reader;
  reader.feed("$8388608\r\n" + std::string(8 << 20, 'x') + "\r\n");
  ASSERT_TRUE(reader.next());
  reader.feed("+");
  largest = 0;
  ASSERT_FALSE(reader.next());
  reader.feed("OK\r\n");
  ASSERT_TRUE(reader.next());
  EXPECT_LT(largest, 100'000U);
}

struct Counting final : Receiver {
  void on_reply(const ReplyView& reply) override { bytes += reply.text.size(), ++replies; }
  void on_message(std::string_view /*channel*/, std::string_view payload) override {
    bytes += payload.size(), ++messages;
  }
  void on_unsubscribed(std::string_view /*channel*/) override {}
  std::size_t bytes = 0;
  std::size_t replies = 0;
  std::size_t messages = 0;
};

TEST(Allocations, AConnectionMakesNoneForACommandItsReplyAndAMessage) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  Counting receiver;
  const auto round = [&] {
    const auto replies_before = receiver.replies;
    const auto messages_before = receiver.messages;
    append(*connection, {"ECHO", "12345678 acquired 17 300"});
    append(*connection, {"SPUBLISH", "c", "hello"});
    return run(*connection, receiver, [&] {
      return receiver.replies == replies_before + 2 && receiver.messages == messages_before + 1;
    });
  };
  append(*connection, {"SSUBSCRIBE", "c"});
  ASSERT_TRUE(run(*connection, receiver, [&] { return receiver.replies == 1; }));
  ASSERT_TRUE(round());
  const auto before = allocations;
  bool alive = true;
  for (int i = 0; i < 100 && alive; ++i) alive = round();
  const auto made = allocations - before;
  EXPECT_TRUE(alive);
  EXPECT_EQ(made, 0U);
}

// Of 20 pairs of an acquire and a release, at best: of a mutex, one a second goes by scripts.
template <class Lock>
std::size_t fewest_for_pairs(Lock& lock) {
  const auto pairs = [&] {
    const auto before = allocations;
    for (int i = 0; i < 20; ++i) lock.acquire().release();
    return allocations - before;
  };
  pairs();
  std::size_t fewest = pairs();
  for (int round = 0; round < 20; ++round) fewest = std::min(fewest, pairs());
  return fewest;
}

// The lease and its handle, which the user keeps.
TEST(Allocations, AnUncontendedLockAndItsReleaseMakeTwo) {
  const test::RedisServer server;
  Client client{server.unix_url()};
  Mutex mutex{client, "a name that is longer than a small string"};
  EXPECT_EQ(fewest_for_pairs(mutex), 2U * 20U);
}

TEST(Allocations, ALockByScriptsAndItsReleaseMakeNoOthers) {
  const test::RedisServer server;
  Client client{server.unix_url()};
  Semaphore semaphore{client, "a name that is longer than a small string", 2};
  EXPECT_EQ(fewest_for_pairs(semaphore), 2U * 20U);
}

}  // namespace
}  // namespace dlock::redis
