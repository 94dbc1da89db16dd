// Parses tokens and the values of lock keys.
#include "core/wire/token.hpp"

namespace dlock::core {

std::optional<LockValue> parse_value(std::string_view value) {
  if (!value.starts_with(token_prefix) || value.size() <= token_claim_at) {
    return std::nullopt;
  }
  const auto last = value.rfind(':');
  const auto middle = value.rfind(':', last - 1);
  LockValue parsed;
  if (middle <= token_claim_at ||
      !parse_exact(value.substr(middle + 1, last - middle - 1), parsed.fence.counter) ||
      !parse_number(value.substr(last + 1), parsed.fence.sequence) || parsed.fence.sequence < 0 ||
      parsed.fence.sequence >= Fence::max_sequences) {
    return std::nullopt;
  }
  // The seal and the request to give up may stand in between.
  parsed.token = value.substr(0, value.find(':', token_claim_at));
  return parsed;
}

}  // namespace dlock::core
