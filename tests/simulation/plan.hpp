// Plan: what a seed chooses: who takes part, how they behave, and how often something goes wrong.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "simulation/random.hpp"

namespace dlock::sim {

/// The kind of a simulation: the seed modulo `profile_count`.
enum class Profile : std::uint8_t {
  calm,      ///< nothing goes wrong
  losses,    ///< connections break; a reconnect kills the old one first
  unkilled,  ///< ... and may not kill: late copies of requests act after the reconnect
  pauses,    ///< processes are stopped, the network is slow, clocks run as apart as they may
  crashes,   ///< processes and machines die, others come
  troubles,  ///< the server refuses, forgets its scripts, restarts with its data
  oblivion,  ///< data is lost, keys are deleted by others
  foreign,   ///< other libraries take the same locks
  crowd,     ///< hundreds of clients
  chaos,     ///< all of it
  steps,     ///< the server's clock steps: only fences are promised
  majority,  ///< several servers decide; they go down, and a minority loses its data
};
inline constexpr std::size_t profile_count = 12;
[[nodiscard]] std::string_view name_of(Profile profile);

enum class Fault : std::uint8_t {
  reset,          ///< a connection ends, both sides learn it
  server_closes,  ///< ... by the server, which drops what it has not read
  half_open,      ///< nothing gets through, nobody learns it; pushes count as received
  mute_down,      ///< requests are carried out, replies and pushes get lost
  mute_up,        ///< requests get lost
  partition,      ///< a machine without network
  spike,          ///< everything on a connection takes long
  pause,          ///< SIGSTOP
  crash,          ///< SIGKILL
  power_off,      ///< ... of the machine: the server does not learn it
  script_flush,   ///<
  restart,        ///< of the server, with its data
  stall,          ///< the server does nothing for a time
  loading,        ///< error replies ...
  busy,
  read_only,
  out_of_memory,
  fate_unknown,   ///< ... of scripts that ran all the same
  deaf,           ///< new subscriptions are refused
  no_blocks,      ///< MULTI is refused: commands run, their replies do not tell
  restart_empty,  ///< without its data
  go_away,        ///< ... and until the leases it forgot have ended; only a minority at a time
  restart_old,    ///< with the data of a moment ago
  flush_all,
  delete_lock,  ///< by somebody else
  delete_queue,
  delete_seen,
  break_ask,  ///< `dlock break`
  break_force,
  foreign_hold,    ///< SET NX by another library, with or without expiry
  foreign_poller,  ///< another library that tries again and again
  wrong_type,
  step,  ///< of the server's clock
};
inline constexpr std::size_t fault_count = static_cast<std::size_t>(Fault::step) + 1;
[[nodiscard]] std::string_view name_of(Fault fault);

/// Both ends possible.
struct Span {
  Duration low{};
  Duration high{};
};

struct Plan {
  std::uint64_t seed = 0;
  Profile profile{};
  std::size_t servers = 1;  ///< more: a majority of them decides
  int processes = 3;
  int threads = 1;  ///< of each process
  int names = 1;
  int rounds = 5;  ///< acquisitions of each thread
  std::vector<Duration> ttls;
  Span hold;
  Span think;
  double fixed = 0;           ///< share of waits for a lease without renewal
  double max_hold = 0;        ///< ... with a limit of the hold
  double tries = 0;           ///< ... that do not wait
  double deadlines = 0;       ///< ... with a time limit
  double cancels = 0;         ///< ... that are cancelled, if they last
  double overstays = 0;       ///< share of holders who work as long as they may
  double permits = 0;         ///< share of waits for a semaphore or a reader-writer lock
  bool only_shared = false;   ///< ... which is a reader-writer lock that is not upgraded
  int capacity = 3;           ///< of semaphores
  int readers = 0;            ///< further threads, which take it as readers until all others end
  double several = 0;         ///< share of waits for several mutexes at once
  double kept = 0;            ///< share of holders of a mutex who keep others out for a while
  Span delay;                 ///< of one message
  Span lateness;              ///< of timers
  double kills = 1;           ///< share of reconnects that kill the old connection
  bool push_first = true;     ///< a push to oneself comes before its script's reply
  bool two_ways = false;      ///< pushes and replies overtake each other, as with RESP2
  double doubles = 0;         ///< share of pushes that are delivered twice
  bool no_margin = false;     ///< without safety margin
  int drift_ppm = 0;          ///< the greatest difference of rates
  Duration fault_time{};      ///< how long faults go on
  Duration fault_interval{};  ///< between two faults; zero: none
  std::array<int, fault_count> weights{};

  /// Leases are promised only then.
  [[nodiscard]] bool clock_is_sane() const { return profile != Profile::steps; }
};

[[nodiscard]] Plan plan_of(std::uint64_t seed);

}  // namespace dlock::sim
