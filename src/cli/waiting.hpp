// Waiting for the lock, and obeying signals meanwhile.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/supervision/held.hpp"
#include "cli/supervision/signals.hpp"
#include "dlock/client.hpp"
#include "dlock/error.hpp"

namespace dlock::cli {

/// The result of a wait.
struct Waited {
  std::optional<Held> held;      ///< none: the time ran out, or a signal ended the wait
  std::optional<TimedOut> late;  ///< what is known of a wait whose time ran out
  std::optional<int> signal;     ///< the signal that asked dlock to end
  std::chrono::milliseconds took{0};
};

/// Acquires the locks or the leadership. It waits for the time it is given (none: no limit; zero:
/// not at all), and stops at the token's request. Throws `TimedOut`, or returns nothing, if it got
/// nothing.
using Acquire =
    std::function<std::optional<Held>(std::optional<std::chrono::milliseconds>, std::stop_token)>;

/// Calls `acquire`, for at most `limit` if there is one, in another thread. A signal that asks
/// dlock to end ends the wait, and leaves no trace of it. If such a signal comes together with the
/// locks, the result has both, and the caller must release the locks. Names the holder on stderr:
/// with `verbose` soon, otherwise after a second and on a terminal. As the first process of a
/// container it collects orphans meanwhile, but not `guard`. Throws as `Mutex::acquire()`.
[[nodiscard]] Waited wait_for_locks(Client& client, const std::vector<std::string>& names,
                                    const Acquire& acquire,
                                    std::optional<std::chrono::milliseconds> limit, bool verbose,
                                    Signals& signals, pid_t guard = -1);

}  // namespace dlock::cli
