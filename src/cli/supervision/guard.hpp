// The guard: a small process that ends the command when dlock no longer can.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "cli/supervision/descriptor.hpp"
#include "runtime/boot_time.hpp"

namespace dlock::cli {

struct GuardMemory;

/// Kills the command, with all that it started, when dlock is gone (`kill -9`) or when the deadline
/// passes and dlock did not move it on (`kill -STOP`, a hung machine). When dlock is gone, and the
/// command too, it gives the locks back. dlock's death is the end of file of a pipe; the rest is
/// told through shared memory.
///
/// The guard is in a session of its own, so that what a terminal or shell sends to dlock's group
/// misses it, and holds nothing open but its pipe.
class Guard {
 public:
  /// Gives back the locks with these fences. Called in the guard's process.
  using GiveBack = std::function<void(std::span<const std::int64_t> fences)>;

  /// Forks it: to be made before there are threads. Throws `std::system_error`.
  explicit Guard(GiveBack give_back);
  /// Ends it and collects it.
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  /// -1 when it has ended.
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Whether somebody ended it since the last call. Collects it.
  [[nodiscard]] bool has_ended() noexcept;
  /// Before the start: what stands in the environment of all that the command will start, and the
  /// fences of what is held and may be given back.
  void arm(std::string_view mark, std::span<const std::int64_t> fences) noexcept;
  /// The command must be dead from then on. The first time before the command is started.
  void set_deadline(runtime::BootTime deadline) noexcept;
  [[nodiscard]] runtime::BootTime deadline() const noexcept;
  /// In the command's process, between fork and exec: it is the leader of its group now, which is
  /// guarded from here on. False: the deadline has passed, it must not begin.
  [[nodiscard]] bool enter() noexcept;
  /// After the start: lets the guard take hold of the group, whose number will then not mislead it.
  void watch() noexcept;
  /// The command has ended. To be called before it is collected, when its number is still its own.
  /// Returns whether the guard had to kill it.
  bool leave() noexcept;

 private:
  void poke() noexcept;

  GuardMemory* memory_ = nullptr;
  Descriptor pipe_;
  pid_t pid_ = -1;
};

}  // namespace dlock::cli
