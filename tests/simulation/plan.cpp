// Plan: from a seed to what happens.
#include "simulation/plan.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace dlock::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Weights = std::initializer_list<std::pair<Fault, int>>;

const Weights break_connections{{Fault::reset, 4},     {Fault::server_closes, 2},
                                {Fault::half_open, 2}, {Fault::mute_down, 2},
                                {Fault::mute_up, 1},   {Fault::partition, 1}};
const Weights slow_down{{Fault::spike, 4}, {Fault::pause, 6}, {Fault::stall, 1}};
const Weights kill{
    {Fault::crash, 3}, {Fault::power_off, 2}, {Fault::half_open, 1}, {Fault::reset, 1}};
const Weights confuse_server{{Fault::script_flush, 2},  {Fault::restart, 1},
                             {Fault::stall, 1},         {Fault::loading, 1},
                             {Fault::busy, 1},          {Fault::read_only, 1},
                             {Fault::out_of_memory, 1}, {Fault::fate_unknown, 1},
                             {Fault::deaf, 1},          {Fault::no_blocks, 1}};
const Weights forget{{Fault::restart_empty, 1}, {Fault::restart_old, 1},  {Fault::flush_all, 1},
                     {Fault::delete_lock, 4},   {Fault::delete_queue, 2}, {Fault::delete_seen, 1},
                     {Fault::break_ask, 2},     {Fault::break_force, 2},  {Fault::reset, 1}};
const Weights intrude{{Fault::foreign_hold, 4}, {Fault::foreign_poller, 2}};

void add(Plan& plan, const Weights& weights) {
  for (const auto& [fault, weight] : weights) {
    plan.weights[static_cast<std::size_t>(fault)] += weight;
  }
}

void add_faults(Plan& plan) {
  switch (plan.profile) {
    case Profile::calm:
      break;
    case Profile::losses:
      add(plan, break_connections);
      break;
    case Profile::unkilled:
      add(plan, break_connections);
      // A request that is under way for longer than the request timeout acts after the reconnect.
      add(plan, {{Fault::spike, 8}});
      break;
    case Profile::pauses:
      add(plan, slow_down);
      break;
    case Profile::crashes:
      add(plan, kill);
      break;
    case Profile::troubles:
      add(plan, confuse_server);
      break;
    case Profile::oblivion:
      add(plan, forget);
      break;
    case Profile::foreign:
      add(plan, intrude);
      add(plan, {{Fault::reset, 1}, {Fault::pause, 1}});
      break;
    case Profile::crowd:
      add(plan, {{Fault::reset, 2}, {Fault::crash, 1}, {Fault::pause, 1}, {Fault::restart, 1}});
      break;
    case Profile::chaos:
      add(plan, break_connections);
      add(plan, slow_down);
      add(plan, kill);
      add(plan, confuse_server);
      add(plan, forget);
      add(plan, intrude);
      add(plan, {{Fault::wrong_type, 1}});
      break;
    case Profile::steps:
      add(plan, {{Fault::step, 4}, {Fault::reset, 1}, {Fault::pause, 1}, {Fault::crash, 1}});
      break;
    case Profile::majority:
      add(plan, break_connections);
      add(plan, slow_down);
      add(plan, {{Fault::restart, 5},
                 {Fault::go_away, 4},
                 {Fault::delete_lock, 2},
                 {Fault::crash, 1},
                 {Fault::script_flush, 1}});
      break;
  }
}

// What a majority supports, and how much its servers differ.
void decide_by_majority(Plan& plan, Random& random) {
  plan.servers = static_cast<std::size_t>(random.number(3, random.chance(0.3) ? 5 : 3));
  plan.drift_ppm = std::min(plan.drift_ppm, 8000);  // the servers' clocks differ as well
  plan.several = 0;
  plan.only_shared = true;
  plan.processes = std::min(plan.processes, 5);
  // A lease takes more round trips than on one server, the first of them to connect. And clocks of
  // servers differ by less than a lease lasts.
  for (auto& ttl : plan.ttls) {
    ttl = std::max({ttl, plan.delay.high * 40, Duration{milliseconds{250}}});
  }
  plan.rounds = std::min(plan.rounds, 20);
  if (plan.permits > 0 && random.chance(0.4)) {  // much traffic, so nothing else lasts long
    plan.readers = 2;
    plan.rounds = std::min(plan.rounds, 5);
    plan.overstays = 0;
    plan.hold.high = std::min<Duration>(plan.hold.high, seconds{2});
    plan.hold.low = std::min(plan.hold.low, plan.hold.high);
  }
  if (random.chance(0.15)) {
    plan.fault_time = plan.fault_interval = Duration{};
  }
}

}  // namespace

std::string_view name_of(Profile profile) {
  static constexpr std::array<std::string_view, profile_count> names{
      "calm",     "losses",  "unkilled", "pauses", "crashes", "troubles",
      "oblivion", "foreign", "crowd",    "chaos",  "steps",   "majority"};
  return names[static_cast<std::size_t>(profile)];
}

std::string_view name_of(Fault fault) {
  static constexpr std::array<std::string_view, fault_count> names{
      "reset",          "server closes", "half open",    "mute down",   "mute up",
      "partition",      "spike",         "pause",        "crash",       "power off",
      "script flush",   "restart",       "stall",        "loading",     "busy",
      "read only",      "out of memory", "fate unknown", "deaf",        "no blocks",
      "restart empty",  "go away",       "restart old",  "flush all",   "delete lock",
      "delete queue",   "delete seen",   "break ask",    "break force", "foreign hold",
      "foreign poller", "wrong type",    "step"};
  return names[static_cast<std::size_t>(fault)];
}

Plan plan_of(std::uint64_t seed) {
  Random random{seed * 2 + 1};
  Plan plan;
  plan.seed = seed;
  plan.profile = static_cast<Profile>(seed % profile_count);
  const bool calm = plan.profile == Profile::calm;
  const bool crowd = plan.profile == Profile::crowd;

  plan.processes = crowd ? random.number(20, random.chance(0.2) ? 250 : 80)
                         : random.number(2, random.chance(0.2) ? 16 : 5);
  plan.threads = random.chance(0.5) ? 1 : random.number(1, crowd ? 2 : 4);
  plan.names = random.chance(0.6) ? 1 : random.number(1, 3);
  plan.rounds = crowd ? random.number(1, 3) : calm ? random.number(2, 10) : random.number(5, 40);

  const std::vector<Duration> all{milliseconds{60}, milliseconds{250}, seconds{1},
                                  seconds{3},       seconds{8},        seconds{30}};
  const std::vector<Span> delays{{microseconds{20}, microseconds{200}},
                                 {microseconds{100}, milliseconds{5}},
                                 {milliseconds{1}, milliseconds{80}}};
  plan.delay = random.pick(delays);
  // A lease must live for some round trips.
  const auto shortest = plan.delay.high * 10;
  for (int i = random.number(1, 2); i > 0; --i) {
    const auto ttl = crowd ? Duration{seconds{random.number(2, 10)}} : random.pick(all);
    plan.ttls.push_back(std::max(ttl, shortest));
  }
  const std::vector<Span> holds{{Duration{0}, milliseconds{1}},
                                {milliseconds{1}, milliseconds{50}},
                                {milliseconds{1}, seconds{2}},
                                {milliseconds{100}, seconds{10}}};
  plan.hold = crowd ? Span{Duration{0}, milliseconds{10}} : random.pick(holds);
  const std::vector<Span> thinks{{microseconds{1}, milliseconds{1}},
                                 {microseconds{10}, milliseconds{300}},
                                 {milliseconds{1}, seconds{3}}};
  plan.think = random.pick(thinks);

  plan.fixed = random.chance(0.3) ? 0.5 : 0;
  plan.max_hold = random.chance(0.2) ? 0.3 : 0;
  plan.tries = random.chance(0.3) ? 0.2 : 0;
  plan.deadlines = random.chance(0.3) ? 0.4 : 0;
  plan.cancels = random.chance(0.4) ? 0.3 : 0;
  plan.overstays = random.chance(0.3) ? 0.2 : 0;

  plan.lateness = {Duration{0}, random.chance(0.5) ? Duration{0} : milliseconds{3}};
  plan.kills = plan.profile == Profile::unkilled ? 0 : plan.profile == Profile::chaos ? 0.7 : 1;
  plan.push_first = random.chance(0.5);
  plan.two_ways = random.chance(0.3);
  plan.doubles = random.chance(0.3) ? 0.2 : 0;
  plan.no_margin = random.chance(0.3);
  plan.drift_ppm = random.chance(0.7) ? 10'000 : 100;
  if (crowd) {
    plan.overstays = 0;
  }
  plan.fault_time = calm ? Duration{} : random.spread(seconds{1}, crowd ? seconds{8} : seconds{60});
  plan.fault_interval = calm ? Duration{} : random.spread(milliseconds{20}, seconds{4});
  add_faults(plan);
  plan.permits = random.chance(0.5) ? 0 : random.chance(0.5) ? 0.5 : 1;
  plan.capacity = random.number(1, 6);
  plan.several = plan.names > 1 && random.chance(0.6) ? 0.3 : 0;
  plan.kept = random.chance(0.3) ? 0.3 : 0;
  if (plan.profile == Profile::majority) {
    decide_by_majority(plan, random);
  } else if (!crowd && random.chance(0.4)) {
    // Most locks are free, and clients need no scripts for them.
    plan.names = random.number(2, 8);
    plan.think = thinks.front();
    plan.hold = holds[random.number<std::size_t>(0, 1)];
    plan.permits = random.chance(0.3) ? 0.3 : 0;
  }
  return plan;
}

}  // namespace dlock::sim
