// A process group: whether somebody in it is still alive.
#pragma once

#include <sys/types.h>

namespace dlock::cli {

/// Whether a process of `group` runs. Ended ones that nobody has collected do not count, which is
/// why this reads /proc instead of sending signal 0. Without /proc: true.
[[nodiscard]] bool is_alive(pid_t group);

}  // namespace dlock::cli
