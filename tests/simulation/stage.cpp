// Stage: how a trace and a tally read.
#include "simulation/stage.hpp"

#include <cstdio>

namespace dlock::sim {

std::string Trace::stamp(Time now) {
  char text[32];
  std::snprintf(text, sizeof text, "%13.6f  ", static_cast<double>(now.count()) / 1e9);
  return text;
}

Tally& Tally::operator+=(const Tally& other) {
  acquired += other.acquired;
  granted += other.granted;
  passed += other.passed;
  lost += other.lost;
  renewed += other.renewed;
  late_copies += other.late_copies;
  overlaps_excused += other.overlaps_excused;
  refused += other.refused;
  commands += other.commands;
  faults += other.faults;
  steps += other.steps;
  together += other.together;
  upgraded += other.upgraded;
  downgraded += other.downgraded;
  all_at_once += other.all_at_once;
  kept += other.kept;
  wiped += other.wiped;
  fences_written += other.fences_written;
  fences_passed += other.fences_passed;
  bare += other.bare;
  told += other.told;
  return *this;
}

}  // namespace dlock::sim
