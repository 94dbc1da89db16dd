// File descriptors: pipes, events, and the descriptors that dlock inherits.
#pragma once

#include <vector>

#include "runtime/descriptor.hpp"

namespace dlock::cli {

using runtime::Descriptor;
using runtime::Pipe;

/// Makes a pipe that closes on exec. Throws `std::system_error`.
[[nodiscard]] Pipe make_pipe();

/// Makes an eventfd that does not block and closes on exec. Throws `std::system_error`.
[[nodiscard]] Descriptor make_event();
/// Makes the event readable. Safe in any thread.
void notify(const Descriptor& event) noexcept;

/// The descriptors that were open when it was made. The command inherits these, and none that dlock
/// or a library opens later, even without O_CLOEXEC.
class InheritedDescriptors {
 public:
  /// Make it before dlock opens anything. Opens /dev/null (closed on exec) where stdin, stdout or
  /// stderr is missing: otherwise the next file that dlock opens would become its stderr.
  InheritedDescriptors();

  /// Makes all others close on exec. Safe between fork and exec.
  void close_others_on_exec() const noexcept;

 private:
  std::vector<int> open_;  ///< ascending
};

}  // namespace dlock::cli
