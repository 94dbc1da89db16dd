// World: people it, let things go wrong, let it come to rest, and look at what is left.
#include "simulation/world.hpp"

#include <algorithm>

namespace dlock::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The longest life of anything in a queue, and then some.
constexpr Duration queue_life = seconds{21};

}  // namespace

World::World(const Plan& plan, bool readable)
    : stage_(plan, readable), network_(stage_), chance_(stage_.random.fork()) {}

void World::populate(int rounds) {
  const auto id = processes_.size();
  processes_.push_back(std::make_unique<Process>(stage_, network_, id));
  auto& process = *processes_.back();
  for (int thread = 0; thread < stage_.plan.threads + stage_.plan.readers; ++thread) {
    const auto kind = thread < stage_.plan.threads ? User::Kind::any : User::Kind::constant_reader;
    users_.push_back(std::make_unique<User>(stage_, process, kind, rounds));
    users_.back()->may_fail(faulty_);
    users_.back()->begin();
  }
}

// The constant readers end when all others have, and then are waited for too.
bool World::all_done() {
  const auto is_done = [](const auto& user) { return user->done(); };
  const auto is_reader = [](const auto& user) {
    return user->kind() == User::Kind::constant_reader;
  };
  const bool others_are = std::all_of(users_.begin(), users_.end(), [&](const auto& user) {
    return is_reader(user) || is_done(user);
  });
  if (!others_are) {
    return false;
  }
  for (auto& user : users_) {
    if (is_reader(user)) {
      user->limit(0);
    }
  }
  return std::all_of(users_.begin(), users_.end(), is_done);
}

void World::run_until_done(Time end) {
  while (stage_.agenda.step(end) && (++stage_.tally.steps % 32 != 0 || !all_done())) {
  }
}

// How long it may take until all waits have ended, after faults have. Not tight, but finite: made
// of what each obstacle may cost.
Duration World::max_wait() const {
  const auto& plan = stage_.plan;
  if (!plan.clock_is_sane()) {
    return std::chrono::hours{24};  // an expiry is as long as the clock makes it
  }
  const auto ttl = *std::max_element(plan.ttls.begin(), plan.ttls.end());
  const Duration reconnect = seconds{5};  // request timeout, back-off, dialling
  const Duration dead = seconds{16};      // a waiter that nobody hears of counts as dead
  // A user that upgrades holds twice.
  const auto hold = (plan.permits > 0 ? 2 : 1) *
                    std::max(plan.hold.high, plan.overstays > 0 ? 3 * ttl : Duration{});
  const auto kept = plan.kept > 0 ? max_hold_off + milliseconds{2500} : Duration{};
  const Duration turn = hold + kept + plan.think.high + 8 * plan.delay.high + milliseconds{250};
  const auto turns = static_cast<std::int64_t>(users_.size()) * (rounds_after_faults + 1);
  const auto grantees = static_cast<std::int64_t>(processes_.size());
  // With several servers chance decides who gets a majority first.
  const Duration chance = plan.servers > 1 ? std::chrono::minutes{10} : Duration{};
  return ttl + reconnect + dead + turns * turn + grantees * core::claim_time + chance;
}

void World::play() {
  const auto& plan = stage_.plan;
  faulty_ = plan.fault_time > Duration::zero();
  for (int i = 0; i < plan.processes; ++i) {
    populate(plan.rounds);
  }
  if (faulty_) {
    schedule_fault();
    run_until_done(plan.fault_time);
    end_faults();
    // What is being retried after an error may still be refused for a moment.
    run_until_done(stage_.now() + seconds{6});
    for (auto& user : users_) {
      user->may_fail(false);
    }
  }
  const auto limit = faulty_ ? max_wait() : Duration{std::chrono::hours{2}};
  run_until_done(stage_.now() + limit);
  for (const auto& user : users_) {
    if (!user->done()) {
      fail("liveness", user->describe() + ", " + std::to_string(limit / milliseconds{1}) +
                           " ms after the last fault");
    }
  }

  come_to_rest();
}

// All processes end, and nothing is left.
void World::come_to_rest() {
  const auto& plan = stage_.plan;
  for (auto& process : processes_) {
    if (process->alive()) {
      process->finish();
    }
  }
  const auto ttl = *std::max_element(plan.ttls.begin(), plan.ttls.end());
  const auto settled = stage_.now() + std::max<Duration>(ttl, seconds{15}) + seconds{8};
  const auto exited = [this] {
    return std::none_of(processes_.begin(), processes_.end(),
                        [](const auto& process) { return process->alive(); });
  };
  while (!exited() && stage_.agenda.step(settled)) {
  }
  if (!exited()) {
    fail("leftovers", "a process has nothing to do and does not come to rest");
  }
  // A request of a process that died may still take a lock.
  const auto arrived = stage_.now() + std::chrono::minutes{1};
  while (network_.has_under_way() && stage_.agenda.step(arrived)) {
  }
  // What permits leave behind lasts a second longer, by clocks that differ.
  const auto end = stage_.now() + std::max<Duration>(ttl + seconds{1}, queue_life) + seconds{1};
  while (stage_.agenda.step(end)) {
  }
  for (ServerId server = 0; server < plan.servers; ++server) {
    const auto left = network_.server(server).remains("");
    if (!left.empty() && plan.clock_is_sane()) {
      fail("leftovers", "when all are gone, on server " + std::to_string(server) + ": " + left);
    }
  }
}

Outcome World::run() {
  Outcome outcome;
  try {
    play();
  } catch (const Violation& violation) {
    outcome.violation = violation.what();
  }
  outcome.hash = stage_.trace.hash();
  outcome.tally = stage_.tally;
  outcome.trace = stage_.trace.lines();
  return outcome;
}

Outcome simulate(std::uint64_t seed, bool readable) { return World{plan_of(seed), readable}.run(); }

}  // namespace dlock::sim
