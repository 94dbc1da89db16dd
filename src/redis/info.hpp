// INFO: what a server says about itself.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace dlock::redis {

using Fields = std::map<std::string, std::string, std::less<>>;

/// Adds the fields of a reply to INFO, lines of `name:value` and headings.
void read_info(std::string_view text, Fields& into);

/// The value of a field; empty: there is none.
[[nodiscard]] std::string text_in(const Fields& fields, std::string_view name);

/// Whether a `run_id` is one: some services have a fixed text in its place.
[[nodiscard]] bool tells_servers_apart(std::string_view run_id);

}  // namespace dlock::redis
