// Keys: the three forms, and the cluster slot they share.
#include "core/wire/keys.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>

#include "core/wire/token.hpp"

namespace dlock::core {
namespace {

TEST(Keys, SlotsAreThoseOfTheClusterSpecification) {
  EXPECT_EQ(slot_of("123456789"), 0x31c3);  // the specification's check value of its CRC16
  EXPECT_EQ(slot_of(""), 0);
  EXPECT_EQ(slot_of("foo"), 12182);
  EXPECT_EQ(slot_of("bar"), 5061);
  EXPECT_EQ(slot_of("hello"), 866);
  EXPECT_EQ(slot_of("somekey"), 11058);
  EXPECT_EQ(slot_of(std::string_view{"\xff\x00\x80", 3}), 7915);
}

TEST(Keys, TheFirstHashTagDecidesTheSlot) {
  EXPECT_EQ(slot_of("foo{hash_tag}"), 2515);
  EXPECT_EQ(slot_of("{user1000}.following"), 3443);
  EXPECT_EQ(slot_of("{user1000}.followers"), 3443);
  EXPECT_EQ(slot_of("foo{{bar}}zap"), 4015);  // the tag is {bar
  EXPECT_EQ(slot_of("foo{bar}{zap}"), 5061);  // the tag is bar
  EXPECT_EQ(slot_of("foo{}{bar}"), 8363);     // no tag: the first one is empty
  EXPECT_EQ(slot_of("a}b"), 7866);
}

TEST(Keys, ANameWithoutTagIsWrappedInBraces) {
  const auto keys = lock_keys("job");
  EXPECT_EQ(keys.lock, "job");
  EXPECT_EQ(keys.queue, "dlock1:qw:{job}");
  EXPECT_EQ(keys.seen, "dlock1:sw:{job}");
}

TEST(Keys, TheLeaderKeyLiesBesideTheQueue) {
  EXPECT_EQ(leader_key("job"), "dlock1:lw:{job}");
  EXPECT_EQ(leader_key("{user}:job"), "dlock1:l:{user}:job");
  EXPECT_EQ(leader_key("foo}bar"), "dlock1:lt:{2141}foo}bar");
  EXPECT_EQ(slot_of(leader_key("foo}bar")), slot_of("foo}bar"));
}

TEST(Keys, ANameWithATagKeepsIt) {
  const auto keys = lock_keys("{user}:job");
  EXPECT_EQ(keys.lock, "{user}:job");
  EXPECT_EQ(keys.queue, "dlock1:q:{user}:job");
  EXPECT_EQ(keys.seen, "dlock1:s:{user}:job");
}

TEST(Keys, ANameThatCannotBeWrappedGetsTheSmallestNumberOfItsSlotAsTag) {
  EXPECT_EQ(lock_keys("").queue, "dlock1:qt:{3560}");
  EXPECT_EQ(lock_keys("a}b").queue, "dlock1:qt:{20658}a}b");
  EXPECT_EQ(lock_keys("a}b").seen, "dlock1:st:{20658}a}b");
  EXPECT_EQ(lock_keys("{}").queue, "dlock1:qt:{42430}{}");
}

TEST(Keys, AnOpeningBraceAloneCanBeWrapped) {
  const auto keys = lock_keys("a{b");
  EXPECT_EQ(keys.queue, "dlock1:qw:{a{b}");
  EXPECT_EQ(slot_of(keys.queue), slot_of("a{b"));
}

TEST(Keys, OtherKeysAreNoQueues) {
  for (const auto* key :
       {"", "job", "dlock1:q", "dlock1:q:job", "dlock1:qw:job", "dlock1:qw:{a}b}", "dlock1:qw:{}",
        "dlock1:qt:{0}a}b", "dlock1:qt:{20658}", "dlock1:sw:{job}", "dlock1:fence",
        "dlock1:client:0123456789abcdef", "dlock2:qw:{job}", "dlock1:qw:{dlock1:condition:job}"}) {
    EXPECT_FALSE(key_of_queue(key)) << key;
  }
}

TEST(Keys, ThePartsOfAGateAreOnItsSlot) {
  for (const auto* name : {"ready", "{users}:ready", "a}b"}) {
    const auto gate = "dlock1:latch:" + std::string{name};
    EXPECT_EQ(slot_of(parts_key(gate)), slot_of(gate)) << name;
  }
  EXPECT_EQ(parts_key("dlock1:latch:ready"), "dlock1:pw:{dlock1:latch:ready}");
  EXPECT_EQ(keys_of_script({"k", Kind::latch}).size(), 4U);
  EXPECT_EQ(keys_of_script({"k", Kind::condition}).size(), 3U);
}

TEST(Keys, ClientsHaveARegistrationAndAChannel) {
  EXPECT_EQ(registration_key("0123456789abcdef"), "dlock1:client:{dlock1:c:0123456789abcdef}");
  EXPECT_EQ(channel_of("0123456789abcdef"), "dlock1:c:0123456789abcdef");
}

TEST(Keys, OnAClusterEachSlotHasACounterAndAClient) {
  const bool held = rc::check([] {
    const auto slot = *rc::gen::inRange<std::uint16_t>(0, 16384);
    const auto client = client_on(slot, *rc::gen::arbitrary<std::uint64_t>());
    RC_ASSERT(client.size() == 16U);
    RC_ASSERT(slot_of(channel_of(client)) == slot);
    RC_ASSERT(slot_of(registration_key(client)) == slot);
    RC_ASSERT(slot_of(fence_key_on(slot)) == slot);
  });
  EXPECT_TRUE(held);
  EXPECT_EQ(fence_key_on(slot_of("foo}bar")), "dlock1:fence:{2141}");
}

TEST(Keys, AClientsIdOnASlotIsFoundWithoutTryingChannelsOneByOne) {
  // The first use of a slot looks for one while it keeps others out.
  using Clock = std::chrono::steady_clock;
  auto search = Clock::duration::max();
  for (std::uint16_t slot = 0; slot < 20; ++slot) {
    const auto begin = Clock::now();
    EXPECT_EQ(slot_of(channel_of(client_on(slot, 4711))), slot);
    search = std::min(search, Clock::now() - begin);
  }
  auto all = Clock::duration::max();
  for (int round = 0; round < 5; ++round) {
    const auto begin = Clock::now();
    std::size_t sum = 0;
    for (std::uint64_t i = 0; i < 16384; ++i) sum += slot_of(channel_of(hex(i)));
    EXPECT_GT(sum, 0U);
    all = std::min(all, Clock::now() - begin);
  }
  EXPECT_LT(search, all / 4);
}

// --- for any name -------------------------------------------------------------------------------

/// Names out of the pieces that matter: braces, and the prefixes and tags of our own keys.
rc::Gen<std::string> any_name() {
  const auto piece = rc::gen::weightedOneOf<std::string>(
      {{6, rc::gen::elementOf(std::vector<std::string>{"{", "}", "{}", "a", "b", "job", ":",
                                                       "w:", "t:", "q:", "dlock1:q:", "dlock1:qw:{",
                                                       "dlock1:qt:{3560}", "0", "3560", "20658"})},
       {1, rc::gen::arbitrary<std::string>()}});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& pieces) {
                        std::string name;
                        for (const auto& part : pieces) name += part;
                        return name;
                      });
}

TEST(Keys, AllKeysOfANameAreOnItsSlot) {
  const bool held = rc::check([] {
    const auto name = *any_name();
    const auto keys = lock_keys(name);
    RC_ASSERT(keys.lock == name);
    RC_ASSERT(slot_of(keys.queue) == slot_of(name));
    RC_ASSERT(slot_of(keys.seen) == slot_of(name));
  });
  EXPECT_TRUE(held);
}

TEST(Keys, TheNameIsReadBackFromItsQueue) {
  const bool held = rc::check([] {
    const auto name = *any_name();
    RC_PRE(!name.starts_with("dlock1:"));  // a gate's: no lock is called so
    RC_ASSERT(key_of_queue(lock_keys(name).queue) == name);
  });
  EXPECT_TRUE(held);
}

TEST(Keys, NoTwoNamesShareAQueue) {
  const bool held = rc::check([] {
    const auto name = *any_name();
    const auto other = *any_name();
    RC_PRE(name != other);
    const auto keys = lock_keys(name);
    const auto others = lock_keys(other);
    const std::set<std::string> all{keys.queue, keys.seen, others.queue, others.seen};
    RC_ASSERT(all.size() == 4U);
  });
  EXPECT_TRUE(held);
}

TEST(Keys, AQueueKeyNamesItsLock) {
  const bool held = rc::check([] {
    const auto key = *any_name();
    if (const auto name = key_of_queue(key)) RC_ASSERT(lock_keys(*name).queue == key);
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace dlock::core
