// Registrations: what a client writes about itself for others to read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dlock/inspect.hpp"

namespace dlock::detail {

/// `{"host":..,"pid":..,"program":..,"label":..}` of this process.
[[nodiscard]] std::string describe_self(std::string_view label);

/// Reads what `describe_self` writes: a flat JSON object with the members host, pid, program and
/// label; it skips other members. Nullopt for anything else, because anybody can write there.
[[nodiscard]] std::optional<Party> parse_registration(std::string_view json);

}  // namespace dlock::detail
