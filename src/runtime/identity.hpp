// What others call this process.
#pragma once

#include <cstdint>
#include <string>

namespace dlock::runtime {

/// The machine's name; empty if it has none.
[[nodiscard]] std::string host_name();
[[nodiscard]] std::int64_t process_id() noexcept;
/// The program's name without its directory.
[[nodiscard]] std::string program_name();

}  // namespace dlock::runtime
