// Waiting for the lock while signals are obeyed.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/supervision/held.hpp"
#include "cli/supervision/signals.hpp"
#include "dlock/client.hpp"

namespace dlock::cli {

/// What came of it.
struct Waited {
  std::optional<Held> held;   ///< none: not in time, or a signal ended it
  std::optional<int> signal;  ///< the signal that asked us to end
  std::chrono::milliseconds took{0};
};

/// Takes what a command runs under: waits for so long (none: for ever; zero: not at all), until it
/// is told to stop.
using Acquire =
    std::function<std::optional<Held>(std::optional<std::chrono::milliseconds>, std::stop_token)>;

/// Acquires the locks `names`, for at most `limit` if there is one. A signal that asks to end ends
/// the wait, leaving nothing behind; one that comes together with the locks wins (they are then
/// returned as well, to be released). Tells on stderr who has the lock when it takes long,
/// with `verbose` soon, else after a second and only on a terminal. Throws as `Mutex::acquire()`.
[[nodiscard]] Waited wait_for_locks(Client& client, const std::vector<std::string>& names,
                                    const Acquire& acquire,
                                    std::optional<std::chrono::milliseconds> limit, bool verbose,
                                    Signals& signals);

}  // namespace dlock::cli
