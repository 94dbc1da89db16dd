// Spawning a program that outlives this one: its terminal, its process group, its descriptors.
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
  /// How it ended, as of waitpid(2), while this object was there; none: it runs. -1: not known.
  [[nodiscard]] std::optional<int> end() const;

 private:
  int error_;
  Descriptor end_;
};

/// Runs `program` as a session of its own that is no child of this process. It gets /dev/null as
/// stdin, stdout and stderr, those that are `kept` and no other descriptor, default signal
/// handling, a umask of 077, and no limit on file sizes, processor time and memory that can be
/// lifted. Safe in a program with threads.
[[nodiscard]] Spawned spawn_detached(const Program& program, Deadline deadline);

}  // namespace dlock::runtime
