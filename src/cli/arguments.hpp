// The command line: what the user asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cli/text/exit_code.hpp"

namespace dlock::cli {

/// Which store, and which part of its names.
struct StoreArguments {
  std::string url;  ///< empty: DLOCK_URL, else local:
  std::string prefix;
};

/// What a command is run under. `once`: a mutex that keeps others out for a while.
enum class RunKind { mutex, reader, writer, semaphore, once, leader };

struct RunArguments {
  StoreArguments store;
  std::vector<std::string> names;  ///< more than one: mutexes, all at once
  RunKind kind = RunKind::mutex;
  std::int64_t permits = 1;              ///< of a semaphore
  std::int64_t weight = 1;               ///< ... of these, for us
  std::chrono::milliseconds at_least{};  ///< of `once`; `ttl` is how long at most
  std::string value;                     ///< of `leader`: what it proclaims
  std::string label;
  std::chrono::milliseconds ttl{30'000};
  bool renew = true;
  std::int64_t min_replicas = 0;
  std::chrono::milliseconds replication_timeout{1'000};  ///< for these
  std::optional<std::chrono::milliseconds> wait;         ///< zero: try once; none: for ever
  std::chrono::milliseconds kill_after{10'000};
  int conflict_exit_code = exit_not_obtained;
  bool verbose = false;
  std::vector<std::string> command;
};

/// Looking at an election.
struct ElectionArguments {
  StoreArguments store;
  std::string name;
  bool listen = false;  ///< each change from now on; else who leads now
  bool json = false;
};

/// Waiting for others.
struct WaitArguments {
  StoreArguments store;
  std::string name;
  std::optional<std::chrono::milliseconds> wait;  ///< none: for ever
  bool show = false;                              ///< only look
  bool json = false;
};

struct LatchArguments : WaitArguments {
  std::int64_t count = 0;
  bool down = false;    ///< count down, and do not wait
  std::int64_t by = 1;  ///< ... by so many
  std::chrono::milliseconds keep{std::chrono::hours{1}};
};

struct BarrierArguments : WaitArguments {
  std::int64_t parties = 0;
  bool reset = false;  ///< and do not wait
};

struct ListArguments {
  StoreArguments store;
  std::string pattern = "*";
  bool json = false;
};

struct InfoArguments {
  StoreArguments store;
  std::string name;
  bool json = false;
};

struct DeadlocksArguments {
  StoreArguments store;
  bool json = false;
};

struct DoctorArguments {
  StoreArguments store;
  std::chrono::milliseconds clock{1'000};  ///< how long the clocks are watched
  std::int64_t keys = 1'000'000;           ///< so many are walked over at most
  bool json = false;
};

struct BreakArguments {
  StoreArguments store;
  std::string name;
  std::optional<std::int64_t> fence;  ///< none: that of the present holder
  bool json = false;
};

/// Text to print: a help, the version.
struct ShowText {
  std::string text;
};

using Arguments =
    std::variant<ShowText, RunArguments, ElectionArguments, LatchArguments, BarrierArguments,
                 ListArguments, InfoArguments, DeadlocksArguments, DoctorArguments, BreakArguments>;

/// The command line is wrong. `what()` says what to do.
class WrongUsage : public std::runtime_error {
 public:
  /// `command`: the subcommand whose help has more, or empty.
  WrongUsage(std::string_view command, const std::string& what)
      : std::runtime_error(what), command_(command) {}
  [[nodiscard]] const std::string& command() const noexcept { return command_; }

 private:
  std::string command_;
};

/// `words` without the program's name. Throws `WrongUsage`.
[[nodiscard]] Arguments parse_arguments(std::span<const std::string> words);

}  // namespace dlock::cli
