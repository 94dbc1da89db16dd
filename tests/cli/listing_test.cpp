// The rows of `dlock top`: filters, order, times; and the rate of hand-offs.
#include "cli/survey/listing.hpp"

#include <gtest/gtest.h>

#include "cli/survey/handoff_rate.hpp"
#include "snapshots.hpp"

namespace dlock::cli {
namespace {

using namespace std::chrono_literals;
using test::held_lock;
using test::snapshot_of;

std::vector<std::string> names(const std::vector<Row>& rows) {
  std::vector<std::string> list;
  for (const auto& row : rows) list.push_back(row.lock->info.name);
  return list;
}

using Names = std::vector<std::string>;

class Listing : public ::testing::Test {
 protected:
  Snapshot snapshot = snapshot_of({held_lock("a", {.held = 9s, .ttl = 20s, .waits = {1s, 4s}}),
                                   held_lock("b", {.held = 5s, .ttl = 30s, .waits = {3s, 2s, 1s}}),
                                   held_lock("c", {.held = 7s, .ttl = {}, .waits = {}})});
  Names sorted(SortKey key, bool reversed = false) {
    return names(list_rows(snapshot, {.sort = key, .reversed = reversed}, test::now));
  }
  Names filtered(const std::string& filter) {
    return names(list_rows(snapshot, {.sort = SortKey::name, .filter = filter}, test::now));
  }
};

TEST_F(Listing, TheGreatestComesFirst) {
  EXPECT_EQ(sorted(SortKey::waiters), (Names{"b", "a", "c"}));
  EXPECT_EQ(sorted(SortKey::longest), (Names{"a", "b", "c"}));
  EXPECT_EQ(sorted(SortKey::held), (Names{"a", "c", "b"}));
  EXPECT_EQ(sorted(SortKey::ttl), (Names{"a", "b", "c"}));
  EXPECT_EQ(sorted(SortKey::name, true), (Names{"c", "b", "a"}));
}

TEST_F(Listing, AFilterFindsNamesAndHoldersOrMatchesAGlob) {
  snapshot = snapshot_of({held_lock("Deploy:1", {.label = "nightly"}), held_lock("x", {}),
                          held_lock("other:deploy", {})});
  EXPECT_EQ(filtered("deploy"), (Names{"Deploy:1", "other:deploy"}));
  EXPECT_EQ(filtered("NIGHT"), (Names{"Deploy:1"}));
  EXPECT_EQ(filtered("*eploy"), (Names{"other:deploy"}));
  EXPECT_EQ(filtered("nobody"), Names{});
}

TEST_F(Listing, TimesGoOnBetweenLooks) {
  const auto rows = list_rows(snapshot, {.sort = SortKey::name}, test::now + 2s);
  EXPECT_EQ(rows[0].held_for, 11s);
  EXPECT_EQ(rows[0].ttl_left, 18s);
  EXPECT_EQ(rows[0].longest_wait, 6s);
  EXPECT_EQ(totals_of(snapshot, test::now + 2s).longest_wait, 6s);
  EXPECT_EQ(list_rows(snapshot, {}, test::now + 1h)[1].ttl_left, 0s);
}

TEST_F(Listing, CandidatesOfAnElectionAreNoLongWaiters) {
  snapshot.elections = {"a"};
  const auto totals = totals_of(snapshot, test::now);
  EXPECT_EQ(totals.longest_wait, 3s);
  EXPECT_EQ(totals.waiters, 5U);
}

// `holds` new holders in a second, looked at each quarter of a second for half a minute.
double rate_of(int holds, std::chrono::milliseconds idle = 0ms) {
  HandoffRate rate;
  std::chrono::nanoseconds now{};
  const std::chrono::nanoseconds hold = std::chrono::nanoseconds{1s} / holds;
  for (int look = 0; look < 120; ++look) {
    now += 250ms + std::chrono::nanoseconds{look * 7'919'003 % 100'000'000};
    const auto turn = now / hold;
    const auto since = now - turn * hold;
    auto lock =
        held_lock("x", {.held = std::chrono::duration_cast<std::chrono::milliseconds>(since)});
    lock.holders[0].token = "token" + std::to_string(turn);
    lock.holders[0].fence = turn + 1;
    if (since < idle) lock = {};
    rate.observe(lock, now);
  }
  return rate.per_second();
}

TEST(HandoffRate, SlowHandOffsAreCountedAndFastOnesEstimatedFromTheAgeOfHolders) {
  EXPECT_NEAR(rate_of(1), 1, 0.5);
  EXPECT_NEAR(rate_of(2), 2, 1);
  EXPECT_NEAR(rate_of(20), 20, 8);
  EXPECT_NEAR(rate_of(200), 200, 80);
}

TEST(HandoffRate, AHolderThatStaysIsNoHandOff) {
  HandoffRate rate;
  for (int look = 0; look < 50; ++look) {
    rate.observe(held_lock("x", {.held = 1s * look}), 250ms * look);
  }
  EXPECT_EQ(rate.per_second(), 0);
}

}  // namespace
}  // namespace dlock::cli
