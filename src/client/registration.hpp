// Registrations: what a client wrote about itself for others to read.
#pragma once

#include <optional>
#include <string_view>

#include "dlock/inspect.hpp"

namespace dlock::detail {

/// Reads what `describe_self` writes: a flat JSON object with the members host, pid, program and
/// label; others are passed over. None for anything else, as anybody can write to the store.
[[nodiscard]] std::optional<Party> parse_registration(std::string_view json);

}  // namespace dlock::detail
