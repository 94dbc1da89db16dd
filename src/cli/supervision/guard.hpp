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

/// Kills the command and all processes that it started when dlock dies (`kill -9`), or when dlock
/// does not move the deadline on in time (`kill -STOP`, a hung machine). When dlock and the command
/// are both gone, the guard releases the locks. The end of file of a pipe tells it of dlock's
/// death; shared memory tells it the rest.
///
/// The guard has its own session, so that signals from a terminal or shell to dlock's group miss
/// it, and keeps nothing open but its pipe.
class Guard {
 public:
  /// Releases the locks with these fences. The guard's process calls it.
  using GiveBack = std::function<void(std::span<const std::int64_t> fences)>;

  /// Forks the guard: make it before dlock starts threads. Throws `std::system_error`.
  explicit Guard(GiveBack give_back);
  /// Ends and collects the guard.
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  /// Returns -1 after `has_ended` collected the guard.
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Returns whether somebody ended the guard since the last call, and collects it.
  [[nodiscard]] bool has_ended() noexcept;
  /// Call it before the start. `mark` stands in the environment of every process that the command
  /// will start; `fences` are those of the locks that the guard may release.
  void arm(std::string_view mark, std::span<const std::int64_t> fences) noexcept;
  /// Makes the guard kill the command at `deadline`. The first call comes before the start.
  void set_deadline(runtime::BootTime deadline) noexcept;
  [[nodiscard]] runtime::BootTime deadline() const noexcept;
  /// The command's process, which leads its group, calls it between fork and exec. From here on the
  /// guard watches that group. Returns false if the deadline has passed: do not exec.
  [[nodiscard]] bool enter() noexcept;
  /// Call it after the start. The guard then opens a descriptor of the command, and a reused pid
  /// cannot mislead it.
  void watch() noexcept;
  /// Call it when the command has ended, before you collect it: no other process has its pid yet.
  /// Returns whether the guard had to kill the command.
  bool leave() noexcept;

 private:
  void poke() noexcept;

  GuardMemory* memory_ = nullptr;
  Descriptor pipe_;
  pid_t pid_ = -1;
};

}  // namespace dlock::cli
