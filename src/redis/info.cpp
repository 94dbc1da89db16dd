// INFO: lines of `name:value` and headings.
#include "redis/info.hpp"

#include <algorithm>

namespace dlock::redis {

void read_info(std::string_view text, Fields& into) {
  while (!text.empty()) {
    const auto end = std::min(text.find("\r\n"), text.size());
    const auto line = text.substr(0, end);
    const auto colon = line.find(':');
    if (!line.starts_with('#') && colon != line.npos) {
      into.insert_or_assign(std::string{line.substr(0, colon)}, line.substr(colon + 1));
    }
    text.remove_prefix(std::min(end + 2, text.size()));
  }
}

std::string text_in(const Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string{} : found->second;
}

bool tells_servers_apart(std::string_view run_id) {
  constexpr std::size_t shortest = 16;
  return run_id.size() >= shortest && run_id.find_first_not_of(run_id[0]) != run_id.npos;
}

}  // namespace dlock::redis
