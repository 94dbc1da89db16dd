// Deterministic simulation of locks on a majority of servers.
//
// DLOCK_QUORUM_SEEDS is the number of seeds, DLOCK_QUORUM_SEED runs just one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "simulation/quorum_world.hpp"
#include "simulation/referee.hpp"

namespace dlock::sim {
namespace {

constexpr std::uint64_t default_seeds = 150;

TEST(QuorumSimulation, AMajorityExcludesFencesGrowWaitsEndAndNothingIsLeft) {
  const char* only = std::getenv("DLOCK_QUORUM_SEED");
  const char* many = std::getenv("DLOCK_QUORUM_SEEDS");
  const auto first = only != nullptr ? std::strtoull(only, nullptr, 10) : 0;
  const auto last = only != nullptr   ? first + 1
                    : many != nullptr ? std::strtoull(many, nullptr, 10)
                                      : default_seeds;
  QuorumTally tally;
  for (auto seed = first; seed < last; ++seed) {
    QuorumWorld world{seed};
    try {
      world.run();
    } catch (const Violation& violation) {
      FAIL() << "seed " << seed << ": " << violation.what();
    }
    tally += world.tally();
  }
  std::cout << tally.obtained << " obtained, " << tally.lost << " lost, " << tally.passed
            << " passed on, " << tally.busy << " busy, " << tally.unreachable << " unreachable, "
            << tally.timed_out << " timed out, " << tally.cancelled << " cancelled, "
            << tally.raised << " raised, " << tally.beaten << " fences taken before, "
            << tally.retaken << " retaken, " << tally.wiped << " wiped, " << tally.deleted
            << " deleted, " << tally.pauses << " pauses, " << tally.shared << " shared, "
            << tally.written << " written\n";
  if (only == nullptr) {
    EXPECT_GT(tally.lost, 0U);
    EXPECT_GT(tally.raised, 0U);
    EXPECT_GT(tally.beaten, 0U);
    EXPECT_GT(tally.shared, 0U);
    EXPECT_GT(tally.written, 0U);
    EXPECT_GT(tally.retaken, 0U);
    EXPECT_GT(tally.wiped, 0U);
  }
}

}  // namespace
}  // namespace dlock::sim
