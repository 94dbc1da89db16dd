// File descriptors: events, and those we were started with.
#pragma once

#include <vector>

#include "runtime/descriptor.hpp"

namespace dlock::cli {

using runtime::Descriptor;
using runtime::Pipe;

/// A pipe closed on exec. Throws `std::system_error`.
[[nodiscard]] Pipe make_pipe();

/// An eventfd, non-blocking and closed on exec. Throws `std::system_error`.
[[nodiscard]] Descriptor make_event();
/// Makes the event readable. Safe in any thread.
void notify(const Descriptor& event) noexcept;

/// The descriptors open when it was made. The command inherits them and nothing that was opened
/// later, whoever opened it and however carelessly.
class InheritedDescriptors {
 public:
  /// To be made before anything is opened. Puts /dev/null (closed again on exec) where stdin,
  /// stdout or stderr is missing: else the next file opened would become our stderr.
  InheritedDescriptors();

  /// Closes all others on exec. Safe between fork and exec.
  void close_others_on_exec() const noexcept;

 private:
  std::vector<int> open_;  ///< ascending
};

}  // namespace dlock::cli
