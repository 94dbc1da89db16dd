// ProcessRecord: the guard's record of the processes that the command started. The guard needs it
// when dlock is gone, and another process has adopted dlock's children.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string_view>

#include "cli/supervision/process_tree.hpp"
#include "runtime/boot_time.hpp"

namespace dlock::cli {

/// The name of a guard's process.
inline constexpr const char* guard_name = "dlock-guard";

/// Not thread-safe.
class ProcessRecord {
 public:
  /// Sets dlock's session and the start of the command: all processes that it starts are younger.
  void begin(pid_t session, runtime::BootTime when);
  /// Records the descendants of dlock. Call it often while dlock lives.
  void look(pid_t dlock, pid_t guard);
  /// Call it when dlock is gone. Calls `visit` for each process that certainly is the command's: it
  /// is on record, has the bytes `mark` in its environment, or descends from such a process.
  void find(std::string_view mark, const std::function<void(pid_t)>& visit);
  /// Returns whether no child of `adopter`, which adopted dlock's children, can be a process of the
  /// command that `find` missed. A child cannot if it is on record, is a stranger (older than the
  /// last two looks, which did not see it), shares a group or session with one, or is a guard.
  [[nodiscard]] bool knows_children_of(pid_t adopter, pid_t guard) const;

 private:
  [[nodiscard]] bool has_seen(const Process& process) const;
  [[nodiscard]] bool is_stranger(const Process& process) const;

  std::map<pid_t, std::uint64_t> seen_;  ///< the start of each process
  pid_t session_ = 0;
  std::uint64_t begin_ = 0;
  std::uint64_t last_look_ = 0;
  std::uint64_t look_before_ = 0;  ///< one look may miss a process whose parent changes meanwhile
};

}  // namespace dlock::cli
