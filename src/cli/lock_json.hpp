// Locks as programs read them.
#pragma once

#include <string>

#include "dlock/inspect.hpp"

namespace dlock::cli {

/// One JSON object. Fences are strings, since they outgrow what JSON numbers hold in many
/// languages.
[[nodiscard]] std::string lock_json(const LockInfo& lock);

}  // namespace dlock::cli
