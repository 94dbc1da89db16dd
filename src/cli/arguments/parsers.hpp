// The parser of each subcommand.
#pragma once

#include "cli/arguments/arguments.hpp"
#include "cli/arguments/options.hpp"

namespace dlock::cli {

/// Each parses the words behind its command's name. They throw as `parse` does.
[[nodiscard]] Arguments parse_run(Words words);
[[nodiscard]] Arguments parse_elect(Words words);
[[nodiscard]] Arguments parse_latch(Words words);
[[nodiscard]] Arguments parse_barrier(Words words);
[[nodiscard]] Arguments parse_list(Words words);
[[nodiscard]] Arguments parse_top(Words words);
[[nodiscard]] Arguments parse_serve(Words words);
[[nodiscard]] Arguments parse_info(Words words);
[[nodiscard]] Arguments parse_deadlocks(Words words);
[[nodiscard]] Arguments parse_doctor(Words words);
[[nodiscard]] Arguments parse_break(Words words);
[[nodiscard]] Arguments parse_config(Words words);

}  // namespace dlock::cli
