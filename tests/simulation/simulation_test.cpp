// Deterministic simulation: many clients over the reference model of the store.
//
// DLOCK_SEEDS is the number of seeds, DLOCK_SEED runs just one and shows what happens in it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "simulation/world.hpp"

namespace dlock::sim {
namespace {

constexpr std::uint64_t default_seeds = 2400;
constexpr std::size_t shown_lines = 60;

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? std::nullopt : std::optional{std::strtoull(text, nullptr, 10)};
}

void show(const Outcome& outcome, std::size_t most) {
  const auto& lines = outcome.trace;
  for (std::size_t i = lines.size() > most ? lines.size() - most : 0; i < lines.size(); ++i) {
    std::cout << lines[i] << '\n';
  }
}

// Runs the seeds of a profile, or the one that was asked for.
void run(Profile profile) {
  const auto mine = static_cast<std::uint64_t>(profile);
  if (const auto seed = number_from("DLOCK_SEED")) {
    if (*seed % profile_count != mine) {
      GTEST_SKIP() << "seed " << *seed << " is of another kind";
    }
    const auto outcome = simulate(*seed, true);
    show(outcome, outcome.trace.size());
    EXPECT_FALSE(outcome.violation) << *outcome.violation;
    return;
  }
  Tally tally;
  const auto seeds = number_from("DLOCK_SEEDS").value_or(default_seeds);
  for (std::uint64_t seed = mine; seed < seeds; seed += profile_count) {
    const auto outcome = simulate(seed, false);
    tally += outcome.tally;
    if (outcome.violation) {
      show(simulate(seed, true), shown_lines);
      FAIL() << name_of(profile) << ", seed " << seed << ": " << *outcome.violation
             << "\nrepeat it: scripts/test -R simulation --seed " << seed << " -- -V";
    }
  }
  std::cout << name_of(profile) << ": " << tally.acquired << " acquired, " << tally.granted
            << " granted, " << tally.passed << " passed on, " << tally.lost << " lost, "
            << tally.refused << " refused, " << tally.commands << " commands, " << tally.faults
            << " faults, " << tally.late_copies << " late copies, " << tally.overlaps_excused
            << " overlaps excused, " << tally.together << " held together, " << tally.upgraded
            << " upgraded, " << tally.downgraded << " downgraded, " << tally.all_at_once
            << " all at once, " << tally.kept << " kept, " << tally.wiped << " wiped, "
            << tally.fences_written << " fences written, " << tally.fences_passed << " passed, "
            << tally.bare << " bare, " << tally.told << " told of changes, " << tally.steps
            << " steps\n";
  EXPECT_EQ(tally.bare > 0, profile != Profile::majority);
  if (profile == Profile::oblivion || profile == Profile::foreign) {
    EXPECT_GT(tally.told, 0U);
  }
  if (profile == Profile::majority) {
    EXPECT_GT(tally.wiped, 0U);
    EXPECT_GT(tally.fences_written, 0U);
    EXPECT_GT(tally.fences_passed, 0U);
    EXPECT_GT(tally.together, 0U);
  }
}

TEST(Simulation, AContendedLockExcludesAndGoesInOrder) { run(Profile::calm); }
TEST(Simulation, LostConnectionsNeitherDoubleNorStallTheLock) { run(Profile::losses); }
TEST(Simulation, RequestsThatActLateLeaveNoOrphan) { run(Profile::unkilled); }
TEST(Simulation, StoppedProcessesAndDriftingClocksNeverOverlap) { run(Profile::pauses); }
TEST(Simulation, TheLockOfADeadProcessGoesToTheNext) { run(Profile::crashes); }
TEST(Simulation, ATroubledServerDelaysButDoesNotDouble) { run(Profile::troubles); }
TEST(Simulation, LostDataIsNoticedAndFencesStillGrow) { run(Profile::oblivion); }
TEST(Simulation, ForeignClientsExcludeUsAndWeExcludeThem) { run(Profile::foreign); }
TEST(Simulation, HundredsOfClientsTakeTheirTurns) { run(Profile::crowd); }
TEST(Simulation, EverythingAtOnceBreaksNoPromise) { run(Profile::chaos); }
TEST(Simulation, FencesGrowWhenTheServersClockSteps) { run(Profile::steps); }

TEST(Simulation, AMajorityOfServersExcludesWhateverAMinorityForgets) { run(Profile::majority); }

TEST(Simulation, TheSameSeedGivesTheSameHistory) {
  for (std::uint64_t seed = 0; seed < 2 * profile_count; ++seed) {
    const auto once = simulate(seed, false);
    const auto again = simulate(seed, true);
    EXPECT_EQ(once.hash, again.hash) << "seed " << seed;
    EXPECT_NE(once.hash, simulate(seed + profile_count, false).hash) << "seed " << seed;
  }
}

}  // namespace
}  // namespace dlock::sim
