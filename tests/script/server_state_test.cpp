// The scripts by example: a server that is short of memory, read-only, restrictive or misused.
#include <functional>

#include "script/fixture.hpp"
#include "script/scripts.hpp"

namespace dlock::test {

namespace {

class ServerState : public ScriptTest {
 protected:
  const std::string owner = make_token(100, 0);
  const std::string first = waiter(1);
  const std::string second = waiter(2);
};

TEST_F(ServerState, TheDigestBesideAScriptIsTheServers) {
  EXPECT_EQ(store.command({"SCRIPT", "LOAD", script::acquire.text}), script::acquire.sha);
  EXPECT_EQ(store.command({"SCRIPT", "LOAD", script::release.text}), script::release.sha);
  EXPECT_EQ(store.command({"SCRIPT", "LOAD", script::renew.text}), script::renew.sha);
  EXPECT_EQ(store.command({"SCRIPT", "LOAD", script::break_.text}), script::break_.sha);
}

TEST_F(ServerState, OutOfMemoryRefusesNewLocksButRenewsAndReleases) {
  hold(owner, 10s);
  queue(first);
  store.command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_THAT(acquire(second), StartsWith("-OOM"));
  EXPECT_EQ(renew(owner, 20s, 1), "echo k");
  EXPECT_EQ(state().pttl, 20000);
  EXPECT_EQ(release(owner), "released");
  EXPECT_EQ(holder(), first);
  EXPECT_EQ(store.break_(lock, store.fence(), 0, false), "broken");
  EXPECT_EQ(holder(), "nobody");
}

TEST_F(ServerState, WithoutTheRightToPublishAReleaseFreesTheLockAndSaysThatItIsMute) {
  hold(owner);
  const auto ticket = queue(first);
  pass(1ms);
  queue(second);
  store.allow_publish(false);
  EXPECT_THAT(release(owner), StartsWith("released mute "));
  EXPECT_EQ(holder(), "nobody");
  EXPECT_THAT(waiting(), ElementsAre(first, second));
  EXPECT_EQ(state().queue[0].score, ticket);
  EXPECT_EQ(state().queue_pttl, 20000);
}

TEST_F(ServerState, WithoutTheRightToPublishALongWaiterKeepsItsTurn) {
  hold(owner);
  queue(first);
  for (int i = 0; i < 4; ++i) {
    pass(5s);
    queue(first);
  }
  store.allow_publish(false);
  release(owner);
  EXPECT_THAT(state().seen, SizeIs(1));
  store.allow_publish(true);
  EXPECT_THAT(acquire(second), StartsWith("queued "));
  EXPECT_EQ(holder(), first);
}

TEST_F(ServerState, WithoutTheRightToPublishAWaiterStillGetsAFreeLock) {
  hold(owner);
  queue(first);
  pass(1ms);
  queue(second);
  store.allow_publish(false);
  release(owner);
  EXPECT_THAT(acquire(second), StartsWith("acquired "));
  EXPECT_THAT(waiting(), ElementsAre(first));
  EXPECT_EQ(release(second).substr(0, 13), "released mute");
  EXPECT_THAT(acquire(first), StartsWith("acquired "));
}

TEST_F(ServerState, WithoutTheRightToPublishBreakingSaysThatNobodyWasAsked) {
  const auto counter = hold(first);
  store.allow_publish(false);
  EXPECT_EQ(store.break_(lock, counter, 0, true), "asked 0");
  EXPECT_EQ(store.break_(lock, counter, 0, false), "broken");
}

TEST_F(ServerState, AKeyOfAnotherTypeIsRefusedAndLeftAlone) {
  store.command({"RPUSH", lock, "element"});
  const auto fence = store.fence();
  EXPECT_THAT(acquire(first), StartsWith("-WRONGTYPE"));
  EXPECT_THAT(store.break_(lock, 1, 0, false), StartsWith("-WRONGTYPE"));
  EXPECT_EQ(renew(owner, 10s), "echo t");
  EXPECT_EQ(release(owner), "not_held");
  EXPECT_EQ(store.command({"LRANGE", lock, "0", "-1"}), "element");
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_EQ(store.fence(), fence);
}

TEST_F(ServerState, AWaiterCanLeaveWhenTheKeyHasBecomeAnotherType) {
  hold(owner);
  queue(first);
  store.command({"DEL", lock});
  store.command({"RPUSH", lock, "element"});
  EXPECT_EQ(release(first), "not_held");
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(ServerState, AQueueOrASeenKeyOfAnotherTypeIsDeleted) {
  const auto make_old = [&] {
    hold(owner);
    for (int i = 0; i < 2; ++i) {
      queue(first);
      pass(5s);
    }
    ASSERT_THAT(state().seen, SizeIs(1));
  };
  for (const auto& act : std::vector<std::function<std::string()>>{
           [&] { return release(owner); }, [&] { return yield(owner, second); },
           [&] { return store.break_(lock, store.fence(), 0, false); }}) {
    store.reset();
    make_old();
    store.command({"SET", Store::seen_key(lock), "x"});
    EXPECT_THAT(act(), Not(StartsWith("-")));
    EXPECT_EQ(holder(), first);

    store.reset();
    make_old();
    store.command({"SET", Store::queue_key(lock), "x"});
    EXPECT_THAT(act(), Not(StartsWith("-")));
    EXPECT_NE(holder(), owner) << "who waits is back in the queue with the next look";
    EXPECT_THAT(acquire(first), Not(StartsWith("-")));
  }
}

TEST_F(ServerState, AValueOfOursWithoutAFenceGetsANewOne) {
  hold(owner);
  for (const auto* rest : {":x", ":1.2:99999999999999999999:0", ""}) {
    store.command({"SET", lock, owner + ":" + rest});
    const auto counter = hold(owner);
    EXPECT_EQ(store.fence(), counter);
    EXPECT_THAT(renew(owner, 10s), StartsWith("echo k"));
    store.command({"SET", lock, owner + ":" + rest});
    EXPECT_THAT(store.acquire_all({{.key = lock, .token = owner, .ttl = 30s}}),
                HasSubstr(" acquired " + std::to_string(counter + 1)));
  }
  EXPECT_EQ(release(owner), "released");
}

TEST_F(ServerState, AFenceIsWrittenOverWhatIsNoCounter) {
  const auto counter = hold(owner);
  for (const auto* known : {"abc", "1e300", "nan", "-5", "9223372036854775807"}) {
    store.command({"SET", Store::fence_key, known});
    EXPECT_THAT(store.write_fence(lock, owner, 10s, counter + 7), HasSubstr("written"));
    EXPECT_EQ(store.fence(), counter + 7) << known;
  }
}

TEST_F(ServerState, FencesOfPermitsAreNotedInPlaceOfWhatIsNone) {
  const auto token = make_token(7, 0, "3000:1");
  store.command({"RPUSH", Store::seen_key(lock), "x"});
  store.take_permits({.key = lock, .token = token, .ttl = 30s, .capacity = 3});
  EXPECT_EQ(store.command({"HGET", Store::seen_key(lock), token}), std::to_string(store.fence()));
}

TEST_F(ServerState, AFenceCounterThatIsNoneIsWrittenOver) {
  for (const auto* counter : {"not a number", "", "9007199254740992", "9223372036854775807",
                              "-9223372036854775808", "1e300"}) {
    store.command({"SET", Store::fence_key, counter});
    EXPECT_EQ(acquire(owner), "acquired " + std::to_string(store.clock().now().count())) << counter;
    EXPECT_EQ(release(owner), "released");
  }
  store.command({"DEL", Store::fence_key});
  store.command({"RPUSH", Store::fence_key, "1"});
  EXPECT_EQ(acquire(owner), "acquired " + std::to_string(store.clock().now().count()));
}

TEST_F(ServerState, AFenceCounterThatJumpsIsNotTakenWithoutALookAtTheClock) {
  const auto counter = hold(owner);
  release(owner);
  store.command({"SET", Store::fence_key, "9007199254740990"});
  EXPECT_EQ(store.acquire({.key = lock, .token = first, .ttl = 30s, .recent = counter}).substr(9),
            "acquired " + std::to_string(store.clock().now().count()));
}

TEST_F(ServerState, AReadOnlyReplicaIsNamed) {
  hold(owner);
  store.command({"REPLICAOF", "127.0.0.1", std::to_string(store.server().port())});
  EXPECT_THAT(acquire(first), StartsWith("-READONLY"));
  EXPECT_THAT(release(owner), StartsWith("-READONLY"));
  EXPECT_THAT(renew(owner, 10s), StartsWith("-READONLY"));
}

TEST_F(ServerState, ScriptsComeBackAfterScriptFlush) {
  hold(owner);
  store.command({"SCRIPT", "FLUSH"});
  EXPECT_EQ(release(owner), "released");
}

}  // namespace

}  // namespace dlock::test
