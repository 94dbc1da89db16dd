// Parses tokens and the values of lock keys.
#include "core/wire/token.hpp"

namespace dlock::core {
namespace {

// `text` is COUNTER:SEQUENCE; the seal and the request to give up may stand before it.
std::optional<Fence> parse_fence(std::string_view text) {
  const auto last = text.rfind(':');
  if (last == std::string_view::npos) {
    return std::nullopt;
  }
  const auto middle = text.rfind(':', last - 1);
  const auto begin = middle == std::string_view::npos || last == 0 ? 0 : middle + 1;
  Fence fence;
  if (!parse_exact(text.substr(begin, last - begin), fence.counter) ||
      !parse_number(text.substr(last + 1), fence.sequence) || fence.sequence < 0 ||
      fence.sequence >= Fence::max_sequences) {
    return std::nullopt;
  }
  return fence;
}

// A seal is two numbers with a point between them.
bool is_seal(std::string_view text) {
  const auto dot = text.find('.');
  std::uint64_t number = 0;
  return dot != std::string_view::npos && parse_number(text.substr(0, dot), number) &&
         parse_number(text.substr(dot + 1), number);
}

}  // namespace

std::optional<LockValue> parse_value(std::string_view value) {
  if (!value.starts_with(token_prefix) || value.size() <= token_claim_at) {
    return std::nullopt;
  }
  const auto end = value.find(':', token_claim_at);
  LockValue parsed;
  parsed.token = value.substr(0, end);
  const auto rest = end == std::string_view::npos ? std::string_view{} : value.substr(end + 1);
  parsed.fence = parse_fence(rest);
  const bool is_unrecorded =
      rest.empty() || (rest.ends_with(':') && is_seal(rest.substr(0, rest.size() - 1)));
  const bool is_token = random_of(parsed.token) != RandomBits{} && claim_of(parsed.token);
  if (!parsed.fence && !(is_unrecorded && is_token)) {
    return std::nullopt;
  }
  return parsed;
}

}  // namespace dlock::core
