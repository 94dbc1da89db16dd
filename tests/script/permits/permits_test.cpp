// The scripts of permits by example.
#include "script/fixture.hpp"
#include "script/scripts.hpp"

namespace dlock::test {

namespace {

class PermitsScripts : public ScriptTest {
 protected:
  static constexpr std::int64_t all = 4;

  /// The token of a client that listens.
  std::string wants(int client, std::int64_t weight, std::string_view claim = "3000") {
    (void)ear(client);
    return token_of(client, weight, claim);
  }
  static std::string token_of(int client, std::int64_t weight, std::string_view claim = "3000") {
    return make_token(client, 0, std::string{claim} + ':' + std::to_string(weight));
  }
  std::string take(const std::string& token, Millis ttl = 30s, std::int64_t capacity = all) {
    return words(
        store.take_permits({.key = lock, .token = token, .ttl = ttl, .capacity = capacity}));
  }
  std::string try_take(const std::string& token) {
    return words(store.take_permits(
        {.key = lock, .token = token, .ttl = 30s, .capacity = all, .wait = false}));
  }
  std::string take_first(const std::string& token, bool wait = true) {
    return words(store.take_permits(
        {.key = lock, .token = token, .ttl = 30s, .capacity = all, .wait = wait, .first = true}));
  }
  std::string swap(const std::string& old, const std::string& token) {
    return words(
        store.take_permits({.key = lock, .token = token, .ttl = 30s, .capacity = all, .old = old}));
  }
  std::string give_back(const std::string& token) {
    return words(store.release_permits(lock, token));
  }
  std::string write_fence(const std::string& token, std::int64_t counter, bool is_new = true,
                          Millis ttl = 30s) {
    return words(store.write_permits_fence({lock, token, ttl, counter}, is_new));
  }
  /// "acquired COUNTER", "passed COUNTER"
  static std::int64_t counter_in(const std::string& reply) {
    return std::stoll(reply.substr(reply.find(' ') + 1));
  }
  [[nodiscard]] std::string used() { return store.command({"ZSCORE", lock, "=used"}); }

 private:
  static std::string words(const std::string& reply) {
    return reply.starts_with('-') ? reply : reply.substr(reply.find(' ') + 1);
  }
};

TEST_F(PermitsScripts, FitUntilTheyAreUsedUp) {
  EXPECT_THAT(take(wants(1, 3)), StartsWith("acquired "));
  EXPECT_THAT(take(wants(2, 1)), StartsWith("acquired "));
  EXPECT_EQ(try_take(wants(3, 1)), "busy 30000");
  EXPECT_EQ(used(), "-4");
  EXPECT_EQ(state().pttl, 31000);
}

TEST_F(PermitsScripts, ARenewalWritesInAnyCaseSoThatItCanBeWaitedForAtReplicas) {
  take(wants(1, 3));
  const auto before = store.changes();
  EXPECT_EQ(store.renew_permits("echo", {{lock, token_of(1, 3), 1s, 7}}), "echo k");
  EXPECT_GT(store.changes(), before);
}

TEST_F(PermitsScripts, ARenewalByTheLockKeyAloneKeepsThemWhileTheirSlotMoves) {
  const auto token = wants(1, 3);
  take(token);
  EXPECT_EQ(store.command({"EVAL", script::permits_renew.text, "4", lock, lock, lock, lock, "echo",
                           token, "60000", "7"}),
            "echo k");
  EXPECT_EQ(used(), "-3");
  EXPECT_EQ(state().pttl, 61000);
}

TEST_F(PermitsScripts, AFenceIsWrittenDownAndTheNextIsGreater) {
  const auto counter = counter_in(take(wants(1, 1), 10s));
  const auto greater = counter + 1'000'000'000;
  EXPECT_EQ(write_fence(token_of(1, 1), greater), "written");
  EXPECT_EQ(state().pttl, 31000) << "as long as a renewal";
  EXPECT_EQ(write_fence(token_of(1, 1), greater, false, 1s), "written");
  EXPECT_EQ(state().pttl, 31000) << "never shorter";
  EXPECT_EQ(counter_in(take(token_of(1, 1))), greater) << "it is the holder's";
  EXPECT_EQ(counter_in(take(wants(2, 1))), greater + 1);
}

TEST_F(PermitsScripts, TwoHoldersNeverWriteTheSameNewFence) {
  take(wants(1, 1));
  const auto second = counter_in(take(wants(2, 1)));
  const auto third = counter_in(take(wants(3, 1)));
  EXPECT_EQ(write_fence(token_of(1, 1), third), "written");
  const auto passed = write_fence(token_of(3, 1), third);
  EXPECT_EQ(passed, "passed " + std::to_string(third + 1)) << "though it was its own before";
  EXPECT_EQ(write_fence(token_of(3, 1), third), passed) << "a late copy changes nothing";
  EXPECT_EQ(write_fence(token_of(3, 1), third + 1), "written");
  EXPECT_EQ(write_fence(token_of(3, 1), third + 1), "written") << "that is its own";
  EXPECT_EQ(write_fence(token_of(2, 1), second - 1), "passed " + std::to_string(second));
  EXPECT_EQ(write_fence(token_of(2, 1), second), "written") << "it may be less than others'";
}

TEST_F(PermitsScripts, TheFenceOfAFormerHolderIsNotWrittenAgain) {
  const auto first = counter_in(take(wants(1, 1)));
  const auto second = counter_in(take(wants(2, 1), 5s));
  const auto third = counter_in(take(wants(3, 1)));
  EXPECT_EQ(write_fence(token_of(2, 1), third, true, 1s), "written");
  EXPECT_EQ(write_fence(token_of(1, 1), second), "written")
      << "while they hold they can be told apart";
  pass(5s);
  EXPECT_THAT(write_fence(token_of(3, 1), third), StartsWith("passed ")) << "that one is over";
  const auto fourth = counter_in(take(wants(4, 1)));
  give_back(token_of(1, 1));
  EXPECT_THAT(write_fence(token_of(4, 1), fourth), "written");
  EXPECT_LT(first, second);
}

TEST_F(PermitsScripts, AFenceThatIsUsedIsWrittenWhateverOthersHave) {
  const auto first = counter_in(take(wants(1, 1)));
  take(wants(2, 1));
  write_fence(token_of(1, 1), first + 1000);
  const auto before = store.fence();
  EXPECT_EQ(write_fence(token_of(2, 1), first, false), "written");
  EXPECT_EQ(store.fence(), before) << "it is never put back";
  EXPECT_EQ(counter_in(take(token_of(2, 1))), first);
  EXPECT_EQ(write_fence(token_of(1, 1), first + 1000, false), "written");
}

TEST_F(PermitsScripts, OnlyAHolderWritesItsFence) {
  take(wants(1, 3), 5s);
  take(wants(2, 1), 60s);
  const auto before = store.fence();
  EXPECT_EQ(write_fence(token_of(3, 1), before + 1000), "lost");
  pass(5s);
  EXPECT_EQ(write_fence(token_of(1, 3), before + 1000), "lost") << "it is over";
  EXPECT_EQ(store.fence(), before);
  store.command({"DEL", lock});
  store.command({"RPUSH", lock, "not a lock"});
  EXPECT_EQ(write_fence(token_of(2, 1), before + 1000), "lost");
}

TEST_F(PermitsScripts, NothingIsLeftAfterTheLastHolder) {
  take(wants(1, 3));
  take(wants(2, 1));
  EXPECT_EQ(give_back(token_of(1, 3)), "released");
  EXPECT_EQ(give_back(token_of(2, 1)), "released");
  EXPECT_EQ(give_back(token_of(2, 1)), "not_held");
  EXPECT_EQ(store.command({"KEYS", "*"}), Store::fence_key);
}

TEST_F(PermitsScripts, ARepeatSetsTheFullExpiryAgainAndKeepsTheCounter) {
  const auto first = take(wants(1, 3));
  pass(20s);
  EXPECT_EQ(take(token_of(1, 3)), first);
  EXPECT_EQ(try_take(wants(2, 4)), "busy 30000");
  EXPECT_EQ(used(), "-3");
}

TEST_F(PermitsScripts, AHolderLeavesTheQueue) {
  take(wants(1, 3));
  store.command({"ZADD", Store::queue_key(lock), "5", token_of(1, 3)});
  take(token_of(1, 3));
  EXPECT_THAT(waiting(), IsEmpty());
  store.command({"ZADD", Store::queue_key(lock), "5", token_of(2, 1)});
  swap(token_of(1, 3), wants(2, 1));
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(PermitsScripts, EveryScriptRemovesAnExpiredHolder) {
  take(wants(1, 3), 5s);
  take(wants(2, 1), 60s);
  pass(5s);
  EXPECT_THAT(try_take(wants(3, 3)), StartsWith("acquired "));
  EXPECT_EQ(give_back(token_of(1, 3)), "not_held");
  EXPECT_EQ(used(), "-4");
}

TEST_F(PermitsScripts, ManyEnterTogetherFromTheHeadUntilOneDoesNotFit) {
  take(wants(1, 4));
  for (int client = 2; client <= 4; ++client) {
    pass(1ms);
    EXPECT_THAT(take(wants(client, 1)), StartsWith("queued "));
  }
  pass(1ms);
  take(wants(5, 2));
  pass(1ms);
  take(wants(6, 1));
  give_back(token_of(1, 4));
  for (int client = 2; client <= 4; ++client) {
    EXPECT_THAT(ear(client).take(), testing::Contains(StartsWith("grant ")));
  }
  EXPECT_THAT(ear(5).take(), testing::Contains("next " + token_of(5, 2) + " 3000"));
  EXPECT_THAT(ear(6).take(), IsEmpty()) << "it would fit, but does not overtake";
  EXPECT_EQ(used(), "-3");
}

TEST_F(PermitsScripts, NobodyOvertakesAWaiterEvenIfItFits) {
  take(wants(1, 3));
  pass(1ms);
  take(wants(2, 2));
  EXPECT_EQ(try_take(wants(3, 1)), "busy 29999");
  EXPECT_THAT(take(wants(3, 1)), StartsWith("queued 29999 1 "));
  EXPECT_THAT(ear(2).take(), ElementsAre("next " + token_of(2, 2) + " 29999"))
      << "who is next behind it sees whether it is there";
}

TEST_F(PermitsScripts, AHeadThatIsGoneIsDroppedByTheNextBehindIt) {
  take(wants(1, 3));
  take(token_of(900, 2));
  pass(1ms);
  EXPECT_THAT(take(wants(2, 1)), StartsWith("acquired "));
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(PermitsScripts, AStoppedHeadIsDroppedWhenItWasNotHeardOfFor15Seconds) {
  take(wants(1, 3), 60s);
  take(wants(2, 2));
  pass(15s);
  EXPECT_THAT(take(wants(3, 1)), StartsWith("queued "));
  pass(1us);
  EXPECT_THAT(take(wants(3, 1)), StartsWith("acquired "));
}

TEST_F(PermitsScripts, AtMost64EnterInOneCallAndThenTheNextIsToldToLook) {
  take(wants(1, 100), 30s, 100);
  (void)ear(2);
  for (int number = 0; number < 70; ++number) {
    take(make_token(2, number, "3000:1"), 30s, 100);
    pass(1us);
  }
  give_back(token_of(1, 100));
  EXPECT_EQ(used(), "-64");
  EXPECT_EQ(ear(2).take().back(), "next " + make_token(2, 64, "3000:1") + " 0");
  EXPECT_THAT(take(make_token(2, 64, "3000:1"), 30s, 100), StartsWith("acquired "));
  EXPECT_EQ(used(), "-70") << "and lets the rest in";
}

TEST_F(PermitsScripts, AnotherNumberOfPermitsIsRefusedWhileSomebodyHolds) {
  take(wants(1, 1));
  EXPECT_EQ(take(wants(2, 1), 30s, 9), "other 4");
  give_back(token_of(1, 1));
  EXPECT_THAT(take(token_of(2, 1), 30s, 9), StartsWith("acquired "));
}

TEST_F(PermitsScripts, AWaiterThatSaysAnotherNumberLeavesTheQueue) {
  take(wants(1, 4));
  take(wants(2, 1));
  EXPECT_EQ(store.resize(lock, 5), "resized 4");
  EXPECT_THAT(ear(2).take(), testing::Contains(StartsWith("grant ")));
  take(wants(3, 1), 30s, 5);
  EXPECT_EQ(store.resize(lock, 6), "resized 5");
  EXPECT_EQ(store.resize(lock, 1), "resized 6");
  EXPECT_EQ(take(wants(4, 1), 30s, 5), "other 1");
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(PermitsScripts, TheCapacityOfAReaderWriterLockCannotBeChanged) {
  constexpr std::int64_t shared = 1 << 30;
  take(wants(1, 1), 30s, shared);
  EXPECT_EQ(store.resize(lock, 5), "shared");
  EXPECT_THAT(store.resize(lock, shared), StartsWith("-ERR"));
}

TEST_F(PermitsScripts, WaitFirstGoesBeforeAllWaiters) {
  take(wants(1, 1));
  take(wants(2, 2));
  pass(1ms);
  take(wants(3, 4));
  EXPECT_THAT(take_first(wants(4, 2), false), StartsWith("busy "));
  EXPECT_THAT(take_first(wants(4, 2)), StartsWith("queued 29999 0 -"));
  pass(5s);
  EXPECT_THAT(take_first(wants(4, 2)), StartsWith("queued "));
  EXPECT_THAT(state().seen, testing::Contains(testing::Key(token_of(4, 2))));
  pass(10s + 1ms);
  give_back(token_of(1, 1));
  EXPECT_THAT(ear(4).take(), testing::Contains(StartsWith("grant ")));
  EXPECT_THAT(take_first(wants(5, 1), false), StartsWith("busy "));
}

TEST_F(PermitsScripts, ASwapIsOneStepAndLetsOthersIn) {
  take(wants(1, 4));
  take(wants(2, 2));
  EXPECT_THAT(swap(token_of(1, 4), wants(3, 1)), testing::EndsWith(" released"));
  EXPECT_THAT(ear(2).take(), testing::Contains(StartsWith("grant ")));
  EXPECT_EQ(used(), "-3");
  EXPECT_EQ(give_back(token_of(1, 4)), "not_held");
}

TEST_F(PermitsScripts, ASwapOfWhatDoesNotHoldTakesNothing) {
  EXPECT_EQ(swap(token_of(1, 4), wants(3, 1)), "busy -1 not_held");
  take(wants(1, 1));
  EXPECT_EQ(swap(token_of(1, 1), wants(3, 2)), "busy 30000 not_held") << "not to more";
  EXPECT_EQ(used(), "-1");
}

TEST_F(PermitsScripts, ARenewalNeverShortensAndNeverAcquires) {
  take(wants(1, 1), 20s);
  EXPECT_EQ(
      store.renew_permits("echo", {{lock, token_of(1, 1), 5s, 7}, {lock, token_of(2, 1), 5s, 8}}),
      "echo kl");
  EXPECT_EQ(try_take(wants(3, 4)), "busy 20000");
  EXPECT_EQ(store.command({"HGET", Store::seen_key(lock), token_of(1, 1)}), "7");
  EXPECT_EQ(store.command({"HLEN", Store::seen_key(lock)}), "1");
}

TEST_F(PermitsScripts, BreakGoesByTheFence) {
  const auto counter = std::stoll(word(take(wants(1, 3)), 1));
  take(wants(2, 1));
  EXPECT_EQ(store.break_permits(lock, counter - 1, "force"), "not_holder");
  EXPECT_EQ(store.break_permits(lock, counter, "look"), "holds");
  EXPECT_EQ(store.break_permits(lock, counter, "ask"), "asked 1");
  EXPECT_THAT(ear(1).take(),
              ElementsAre("break " + token_of(1, 3) + ' ' + std::to_string(counter) + " 0"));
  EXPECT_EQ(store.break_permits(lock, counter, "force"), "broken");
  EXPECT_EQ(used(), "-1");
}

TEST_F(PermitsScripts, ALockOfAnotherKindIsLeftAlone) {
  hold(make_token(7, 0));
  EXPECT_THAT(take(wants(1, 1)), StartsWith("-WRONGTYPE"));
  EXPECT_EQ(give_back(token_of(1, 1)), "not_held");
  store.command({"DEL", lock});
  store.command({"ZADD", lock, "5", "theirs"});
  EXPECT_THAT(take(wants(1, 1)), StartsWith("-WRONGTYPE"));
  EXPECT_EQ(store.command({"ZRANGE", lock, "0", "-1"}), "theirs");
  store.command({"DEL", lock});
  take(wants(1, 1));
  EXPECT_THAT(acquire(make_token(7, 0)), StartsWith("-WRONGTYPE"));
}

TEST_F(PermitsScripts, WaitersOfAnotherKindAreNotLetIn) {
  hold(make_token(7, 0));
  queue(waiter(8));
  store.command({"DEL", lock});
  EXPECT_THAT(take(wants(1, 4)), StartsWith("acquired "));
  EXPECT_THAT(waiting(), IsEmpty());
  take(wants(2, 4));
  store.command({"DEL", lock});
  hold(make_token(7, 1));
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(PermitsScripts, WithoutTheRightToPublishTheHeadStaysTheHead) {
  take(wants(1, 4));
  take(wants(2, 4));
  pass(1ms);
  take(wants(3, 1));
  store.allow_publish(false);
  EXPECT_THAT(give_back(token_of(1, 4)), StartsWith("released mute "));
  EXPECT_THAT(try_take(wants(3, 1)), StartsWith("busy "));
  EXPECT_THAT(take(token_of(2, 4)), StartsWith("acquired "));
}

TEST_F(PermitsScripts, AReleaseWithoutTheKeyTellsTheHeadToLook) {
  take(wants(1, 4));
  take(wants(2, 4));
  store.command({"DEL", lock});
  EXPECT_EQ(give_back(token_of(1, 4)), "not_held");
  EXPECT_THAT(ear(2).take(), ElementsAre("next " + token_of(2, 4) + " 0"));
}

TEST_F(PermitsScripts, ArgumentsThatMakeNoSenseChangeNothing) {
  EXPECT_THAT(take(wants(1, 5)), StartsWith("-ERR"));
  EXPECT_THAT(take(wants(1, 0)), StartsWith("-ERR"));
  EXPECT_THAT(take(make_token(1, 0)), StartsWith("-ERR"));
  EXPECT_THAT(take(wants(1, 1), 0ms), StartsWith("-ERR"));
  EXPECT_EQ(store.command({"KEYS", "*"}), "");
}

}  // namespace

}  // namespace dlock::test
