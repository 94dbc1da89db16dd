// Starts a program that outlives this one, its terminal and its process group.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/deadline.hpp"
#include "runtime/descriptor.hpp"

namespace dlock::runtime {

/// Arguments or an environment as exec(3) takes them: pointers to `words`, and a null at the end.
[[nodiscard]] std::vector<char*> pointers_to(const std::vector<std::string>& words);

/// A program to run, and what it gets.
struct Program {
  std::vector<std::string> command;  ///< the first element is the program's path
  std::vector<std::string> environment;
  std::string directory;
  std::vector<int> kept;  ///< becomes its descriptors 3, 4, ...; -1: that one is closed
};

/// A program that was spawned.
class Spawned {
 public:
  Spawned(int error, Descriptor end) : error_(error), end_(std::move(end)) {}
  /// 0 when the program runs, else the error number of the step that failed.
  [[nodiscard]] int error() const { return error_; }
  /// Its exit status as from waitpid(2); none: it still runs; -1: unknown.
  [[nodiscard]] std::optional<int> end() const;

 private:
  int error_;
  Descriptor end_;
};

/// Runs `program` in a session of its own, not as a child of this process. It gets /dev/null as
/// stdin, stdout and stderr, the descriptors that are `kept` and no others, default signal
/// handling, a umask of 077, and the highest limits for file sizes, processor time and memory that
/// this process may set. Safe in a program with threads.
[[nodiscard]] Spawned spawn_detached(const Program& program, Deadline deadline);

}  // namespace dlock::runtime
