// The doctor's findings as programs read them.
#pragma once

#include <string>

#include "dlock/doctor.hpp"

namespace dlock::cli {

/// Returns one JSON object.
[[nodiscard]] std::string doctor_json(const std::string& url, const Checkup& checkup);

}  // namespace dlock::cli
