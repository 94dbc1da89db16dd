// The guard's record of the processes that the command started, for when dlock is gone: the orphans
// that it had adopted are somebody else's children then.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string_view>

#include "cli/supervision/process_tree.hpp"
#include "runtime/boot_time.hpp"

namespace dlock::cli {

/// What guards call themselves.
inline constexpr const char* guard_name = "dlock-guard";

/// Not thread-safe.
class ProcessRecord {
 public:
  /// Says when the command began, all that it starts is younger, and in which session.
  void begin(pid_t session, runtime::BootTime when);
  /// Takes down the descendants of dlock. Often, as long as dlock is there.
  void look(pid_t dlock, pid_t guard);
  /// When dlock is gone: calls `visit` for each process that surely is the command's: that was
  /// seen, or has the bytes `mark` in its environment, and the descendants of these.
  void find(std::string_view mark, const std::function<void(pid_t)>& visit);
  /// Whether each child of `adopter`, whose children dlock's have become, is known not to be one of
  /// the command's that was not found: it was there before the last looks and not seen in them, or
  /// another of its group or session was, or it is a guard, which ends by itself.
  [[nodiscard]] bool knows_children_of(pid_t adopter, pid_t guard) const;

 private:
  [[nodiscard]] bool has_seen(const Process& process) const;
  [[nodiscard]] bool is_stranger(const Process& process) const;

  std::map<pid_t, std::uint64_t> seen_;  ///< with their starts
  pid_t session_ = 0;
  std::uint64_t begin_ = 0;
  std::uint64_t last_look_ = 0;
  std::uint64_t look_before_ = 0;  ///< one look may miss what changes its parent meanwhile
};

}  // namespace dlock::cli
