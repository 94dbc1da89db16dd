// The names of this process and its user, and its limits.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace dlock::runtime {

/// The machine's name; empty if it has none.
[[nodiscard]] std::string host_name();
[[nodiscard]] std::int64_t process_id() noexcept;
/// The user whose rights this process has.
[[nodiscard]] uid_t user_id() noexcept;
/// The program's name without its directory.
[[nodiscard]] std::string program_name();

/// The bytes of the longest string that exec() takes as an argument or a variable, with its zero.
[[nodiscard]] std::size_t max_exec_string() noexcept;

}  // namespace dlock::runtime
