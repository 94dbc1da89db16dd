// Spawning a program that outlives this one: its terminal, its process group, its descriptors.
#pragma once

#include <string>
#include <vector>

#include "redis/dial.hpp"

namespace dlock::redis {

/// Runs `command` (its first element is the program's path) in `directory`, as a session of its own
/// that is no child of this process. It gets /dev/null as stdin, stdout and stderr, `kept` as
/// descriptor 3 and no other, default signal handling and a umask of 077. Returns 0 when the
/// program runs, or the error number of the step that failed. Safe in a program with threads.
[[nodiscard]] int spawn_detached(const std::vector<std::string>& command,
                                 const std::string& directory, int kept, Deadline deadline);

}  // namespace dlock::redis
