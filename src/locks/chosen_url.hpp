// The URL of a client whose user may have given none.
#pragma once

#include <string>
#include <string_view>

namespace dlock::detail {

/// Returns `url`, or without one (its data is null) that of `DLOCK_URL`, and without that `local:`,
/// unless `DLOCK_REQUIRE_URL` forbids it. Throws `UsageError` for an empty URL of either: whoever
/// gave it wanted some server, and a private one excludes nobody elsewhere.
[[nodiscard]] std::string chosen_url(std::string_view url);

}  // namespace dlock::detail
