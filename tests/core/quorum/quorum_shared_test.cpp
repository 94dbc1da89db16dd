// Quorum: readers and writers, who wait in the servers' queues.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/engine/engine_script.hpp"
#include "core/quorum/quorum_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

const std::vector<std::string> all_queued{"a acquire wait", "b acquire wait", "c acquire wait"};
constexpr auto queued = "queued 60000 0 77 1000000 ours:11.12";

AcquireRequest reader() { return permits(reader_weight, shared_capacity); }
AcquireRequest writer() { return permits(writer_weight, shared_capacity); }
AcquireRequest to_try(AcquireRequest wish) {
  wish.wait = false;
  return wish;
}

// Ours, with the fence 5, on all servers.
void obtain(QuorumScript& script, WaiterId waiter, const AcquireRequest& wish) {
  script.acquire(waiter, wish);
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "acquired 5");
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "written");
  script.forget();
}

TEST(QuorumShared, TheyQueueOnAllServersAndAMajorityDecides) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  script.expect(all_queued);
  script.reply('a', "acquired 5");
  script.reply('b', queued);
  script.expect({});
  script.reply('c', "acquired 7");
  script.expect({"a write_fence 7 new", "c write_fence 7 new"});
  script.reply('c', "written");
  script.expect({});
  script.reply('a', "written");
  script.expect({"b release", "1 obtained 7.0"});  // it keeps nobody out who waits there
}

TEST(QuorumShared, AGrantIsAPart) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  for (const char server : {'a', 'b', 'c'}) script.reply(server, queued);
  script.forget();
  script.at(1s).message('a', "grant " + script.tokens['a'] + " 8 2000000");
  script.message('b', "grant " + script.tokens['b'] + " 9 2000000");
  script.expect({"a write_fence 9 new", "b write_fence 9 new"});
  script.reply('a', "written");
  script.reply('b', "written");
  script.expect({"c release", "1 obtained 9.0"});
}

TEST(QuorumShared, TooFewPartsAreReleasedForOnePlaceInAllQueues) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  script.reply('b', queued);
  script.reply('c', queued);
  script.reply('a', "acquired 5");
  script.forget();
  script.pass_until(16ms - 1us);
  script.expect({});
  script.pass_until(16ms);
  script.expect({"a release", "a acquire wait at 5", "b release", "b acquire wait at 5",
                 "c release", "c acquire wait at 5"});
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "not_held");
  script.reply('b', "queued 60000 0 5 1000000 ours");
  script.reply('c', "queued 60000 0 5 1000000 ours");
  auto now = 16ms;
  for (const auto wait : {32ms, 64ms, 128ms, 200ms, 200ms}) {
    script.reply('a', "acquired 9");
    script.forget();
    script.pass_until(now + wait - 1us);
    script.expect({});
    now += wait;
    script.pass_until(now);
    script.expect({"a release", "a acquire wait at 5"});  // the other places stay
    script.reply('a', "released");
  }
}

TEST(QuorumShared, APartIsNotKeptLongerForTheNextThatIsTooFew) {
  QuorumScript script{5};
  script.at(0ms).acquire(1, writer());
  for (const char server : {'b', 'c', 'd', 'e'}) script.reply(server, queued);
  script.reply('a', "acquired 5");
  script.forget();
  script.at(15ms).message('b', "grant " + script.tokens['b'] + " 8 1000000");
  script.pass_until(16ms);
  for (const char server : {'a', 'b', 'c', 'd', 'e'}) {
    EXPECT_EQ(std::ranges::count(script.lines(), server + " release"s), 1) << server;
  }
}

TEST(QuorumShared, AWaiterWithoutPartsJustWaits) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  for (const char server : {'a', 'b', 'c'}) script.reply(server, queued);
  script.forget();
  script.pass_until(2499ms);
  for (const auto& line : script.lines()) EXPECT_EQ(line.substr(2), "something else");  // pings
  script.forget();
  script.pass_until(2500ms);
  // That is how a waiter shows that it is alive.
  script.expect({"a acquire wait at 77", "b acquire wait at 77", "c acquire wait at 77"});
}

TEST(QuorumShared, AFenceThatAnotherReaderHasIsReplacedByAGreaterOne) {
  QuorumScript script;
  script.at(0ms).acquire(1, reader());
  script.reply('a', "acquired 5");
  script.reply('b', "acquired 7");
  script.forget();
  script.reply('a', "passed 9");
  script.expect({"a write_fence 9 new", "b write_fence 9 new"});
  script.reply('b', "written");  // that was 7
  script.reply('a', "written");
  script.expect({});
  script.reply('b', "written");
  script.expect({"1 obtained 9.0"});
}

TEST(QuorumShared, ALatePartWithAGreaterCounterChangesTheFence) {
  QuorumScript script;
  script.at(0ms).acquire(1, reader());
  script.reply('a', "acquired 5");
  script.reply('b', "acquired 7");
  script.forget();
  script.reply('c', "acquired 8");
  script.expect({"a write_fence 8 new", "b write_fence 8 new", "c write_fence 8 new"});
}

TEST(QuorumShared, TheFenceOfALeaseThatIsHeldStays) {
  QuorumScript script;
  script.at(0ms).acquire(1, reader());
  script.reply('a', "acquired 5");
  script.reply('b', "acquired 7");
  script.reply('c', "acquired 6");
  script.reply('a', "written");
  script.reply('b', "written");
  script.expect({"a acquire wait", "b acquire wait", "c acquire wait", "a write_fence 7 new",
                 "b write_fence 7 new", "c write_fence 7 new", "1 obtained 7.0"});
  script.reply('c', "passed 9");
  script.expect({"c write_fence 7 used"});
  script.reply('c', "written");
  script.expect({});
}

TEST(QuorumShared, ReadersOfOneClientHoldAtOnce) {
  QuorumScript script;
  script.at(0ms);
  obtain(script, 1, reader());
  obtain(script, 2, reader());
  script.release(1);
  script.expect({"a release", "b release", "c release"});
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "released");
  script.expect({"1 released"});
  script.release(2);
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "released");
  EXPECT_TRUE(script.router().idle());
}

TEST(QuorumShared, ATryDoesNotQueue) {
  QuorumScript script;
  script.at(0ms);
  obtain(script, 1, reader());
  script.acquire(2, to_try(writer()));  // the servers say whether it is busy
  script.expect({"a acquire try", "b acquire try", "c acquire try"});
  script.reply('a', "busy 1000");
  script.reply('b', "busy 1000");
  script.reply('c', "busy 1000");
  script.expect({"2 busy"});
}

TEST(QuorumShared, ALostPartIsTakenAgainWithoutWaiting) {
  QuorumScript script;
  script.at(0ms);
  obtain(script, 1, reader());
  script.pass_until(10s);
  script.reply('a', "k");
  script.reply('b', "k");
  script.forget();
  script.reply('c', "l");
  script.pass_until(10s + 25ms);
  script.expect({"c acquire try"});
  script.reply('c', "busy 1000");
  script.forget();
  script.pass_until(10s + 75ms);
  script.expect({"c acquire try"});
  script.reply('c', "acquired 9");
  script.expect({"c write_fence 5 used"});
}

TEST(QuorumShared, AWaiterWithAMajorityLeavesTheOtherQueues) {
  QuorumScript script;
  script.at(0ms).acquire(1, reader());
  script.reply('a', "acquired 5");
  script.reply('b', "acquired 5");
  script.reply('a', "written");
  script.reply('b', "written");
  script.forget();
  script.reply('c', queued);
  script.expect({"c release"});
  script.reply('c', "not_held");
  script.pass_until(25ms);
  script.expect({"c acquire try"});
}

TEST(QuorumShared, ALeaseOfFixedLengthIsNotTakenAgain) {
  QuorumScript script;
  auto wish = reader();
  wish.renew = false;
  script.disconnect('c');
  script.at(0ms).acquire(1, wish);
  script.connect_fails('c');  // to be asked again, while it waits
  script.reply('a', "acquired 5");
  script.reply('b', "acquired 5");
  script.reply('a', "written");
  script.reply('b', "written");
  script.forget();
  script.connect('c');
  script.forget();
  script.pass_until(9s);
  script.expect({});
}

TEST(QuorumShared, ACancelledWaitLeavesNothingBehind) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  script.reply('a', "acquired 5");
  script.reply('b', queued);
  script.forget();
  script.cancel(1);
  script.expect({"a release", "b release", "c release", "1 cancelled"});
  script.reply('c', queued);
  for (const char server : {'a', 'b', 'c'}) script.reply(server, "not_held");
  EXPECT_TRUE(script.router().idle());
  EXPECT_EQ(script.router().next_timer(), Instant::max());
}

TEST(QuorumShared, AWaitEndsAtItsTimeLimit) {
  QuorumScript script;
  auto wish = writer();
  wish.deadline = Instant{} + 1h + 5s;
  script.at(0ms).acquire(1, wish);
  for (const char server : {'a', 'b', 'c'}) script.reply(server, queued);
  script.forget();
  script.at(5s).pass_until(5s);
  EXPECT_EQ(script.lines().back(), "1 timed out");
}

TEST(QuorumShared, AServerThatFailsIsAskedAgain) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  script.reply('a', queued);
  script.reply('b', queued);
  script.error('c', errc::store_unusable);
  script.forget();
  script.reply('c', "not_held");
  script.forget();
  script.pass_until(124ms);
  script.expect({});
  script.pass_until(200ms);
  script.expect({"c acquire wait"});
}

TEST(QuorumShared, AMajoritysRefusalIsReported) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  script.reply('c', queued);
  script.error('a', errc::not_a_lock);
  script.forget();
  script.error('b', errc::not_a_lock);
  script.expect({"b release", "c release", "1 failed: not_a_lock"});
}

TEST(QuorumShared, WithoutAMajorityTheFirstWaitFailsAtOnce) {
  QuorumScript script;
  script.disconnect('b');
  script.disconnect('c');
  script.acquire(1, writer());
  script.connect_fails('b', errc::refused);
  script.forget();
  script.connect_fails('c', errc::refused);
  EXPECT_EQ(script.lines().back(), "1 failed: another error");
}

TEST(QuorumShared, AWaitWithoutAMajorityEndsAfterThePatience) {
  QuorumScript script;
  script.at(0ms).acquire(1, writer());
  for (const char server : {'a', 'b', 'c'}) script.reply(server, queued);
  for (const char server : {'b', 'c'}) {
    script.disconnect(server);
    script.connect_fails(server);
  }
  script.forget();
  script.pass_until(9900ms);
  for (const auto& line : script.lines()) EXPECT_EQ(line.find("failed"), line.npos) << line;
  script.pass_until(10100ms);
  EXPECT_EQ(script.lines().back(), "1 failed: unreachable");
}

TEST(QuorumShared, ABrokenPartBreaksTheLease) {
  QuorumScript script;
  script.at(0ms);
  obtain(script, 1, reader());
  script.message('a', "break " + script.tokens['a'] + " 5 0");
  script.expect({"a renew"});
  script.reply('a', "b");
  script.expect({"a release", "b release", "c release", "1 lost: broken"});
}

}  // namespace
}  // namespace dlock::core
