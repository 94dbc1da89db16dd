// World: one simulation from a seed to its end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/network.hpp"
#include "simulation/process.hpp"
#include "simulation/stage.hpp"
#include "simulation/user.hpp"

namespace dlock::sim {

/// The number of further locks that each thread takes at most after the last fault.
inline constexpr int rounds_after_faults = 2;

/// The outcome of a simulation.
struct Outcome {
  std::uint64_t hash = 0;
  Tally tally;
  std::optional<std::string> violation;
  std::vector<std::string> trace;  ///< if it was asked for
};

class World {
 public:
  World(const Plan& plan, bool readable);

  /// To be called once.
  [[nodiscard]] Outcome run();

 private:
  void play();
  void populate(int rounds);
  void schedule_fault();
  void inject(Fault fault);
  void inject_connection(Fault fault, Process& process, ServerId server);
  void inject_server(Fault fault, ServerId server);
  void inject_others(Fault fault, Server& server);
  void go_down(ServerId server, Time until);
  void go_away(ServerId server);
  void end_faults();
  void poll(Server& server, const std::string& key, int times);
  [[nodiscard]] Process& someone();
  [[nodiscard]] std::string some_lock();
  [[nodiscard]] Duration max_wait() const;
  [[nodiscard]] bool all_done();
  void run_until_done(Time end);
  void come_to_rest();

  Stage stage_;
  Network network_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::unique_ptr<User>> users_;
  Random chance_;
  bool faulty_ = false;  ///< things go wrong in this simulation
  bool calm_ = false;    ///< ... but not any more
};

/// Runs the simulation of a seed.
[[nodiscard]] Outcome simulate(std::uint64_t seed, bool readable);

}  // namespace dlock::sim
