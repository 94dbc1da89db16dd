// The command line, parsed.
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

#include "cli/configuration/store.hpp"
#include "cli/serve/serve.hpp"
#include "cli/text/exit_code.hpp"
#include "cli/top/top.hpp"

namespace dlock::cli {

/// The lock that a command runs under. `once` is a mutex that stays taken for a minimum time.
enum class RunKind { mutex, reader, writer, semaphore, once, leader };

struct RunArguments {
  StoreArguments store;
  std::vector<std::string> names;  ///< more than one: mutexes, acquired all at once
  RunKind kind = RunKind::mutex;
  std::int64_t permits = 1;              ///< of a semaphore
  std::int64_t weight = 1;               ///< the permits that this run takes
  std::chrono::milliseconds at_least{};  ///< of `once`; its `ttl` is the maximum
  std::string value;                     ///< the value that a leader proclaims
  std::string label;
  std::chrono::milliseconds ttl{30'000};
  bool renew = true;
  std::int64_t min_replicas = 0;
  std::chrono::milliseconds replication_timeout{1'000};  ///< for `min_replicas`
  std::optional<std::chrono::milliseconds> wait;         ///< zero: try once; none: no limit
  std::chrono::milliseconds kill_after{10'000};
  int conflict_exit_code = exit_not_obtained;
  bool verbose = false;
  std::vector<std::string> command;
};

/// The arguments of `elect --listen` and `elect --show`.
struct ElectionArguments {
  StoreArguments store;
  std::string name;
  bool listen = false;  ///< true: print each change from now on; false: print the leader
  bool json = false;
};

/// The arguments that `latch` and `barrier` share.
struct WaitArguments {
  StoreArguments store;
  std::string name;
  std::optional<std::chrono::milliseconds> wait;  ///< none: no limit
  bool show = false;                              ///< print the state, and do not wait
  bool json = false;
};

struct LatchArguments : WaitArguments {
  std::int64_t count = 0;
  bool down = false;    ///< count down, and do not wait
  std::int64_t by = 1;  ///< ... by this number
  std::chrono::milliseconds keep{std::chrono::hours{1}};
};

struct BarrierArguments : WaitArguments {
  std::int64_t parties = 0;
  bool reset = false;  ///< reset, and do not wait
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
  std::chrono::milliseconds clock{1'000};  ///< how long doctor watches the clocks
  std::int64_t keys = 1'000'000;           ///< the maximum that doctor examines
  bool json = false;
};

struct BreakArguments {
  StoreArguments store;
  std::string name;
  std::optional<std::int64_t> fence;  ///< none: the present holder's
  bool json = false;
};

struct ConfigArguments {
  bool json = false;
};

/// Text to print: a help, the version.
struct ShowText {
  std::string text;
};

using Arguments =
    std::variant<ShowText, RunArguments, ElectionArguments, LatchArguments, BarrierArguments,
                 ListArguments, TopArguments, ServeArguments, InfoArguments, DeadlocksArguments,
                 DoctorArguments, BreakArguments, ConfigArguments>;

/// The command line is wrong. `what()` tells the user what to do.
class WrongUsage : public std::runtime_error {
 public:
  /// `command` is the subcommand whose help tells more, or empty.
  WrongUsage(std::string_view command, const std::string& what)
      : std::runtime_error(what), command_(command) {}
  [[nodiscard]] const std::string& command() const noexcept { return command_; }

 private:
  std::string command_;
};

/// Parses `words`, which exclude the program's name and are not empty, and completes them by the
/// configuration. Throws `WrongUsage`, and `UsageError` for what the configuration says.
[[nodiscard]] Arguments parse_arguments(std::span<const std::string> words);

}  // namespace dlock::cli
