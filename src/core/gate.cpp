// Gate: its key.
#include "core/gate.hpp"

namespace dlock::core {

std::string gate_key(Kind kind, std::string_view key) {
  static_cast<void>(kind);
  return std::string{token_prefix}.append("condition:").append(key);
}

std::vector<std::string> keys_of_script(const LockKeys& keys) {
  std::vector<std::string> all;
  all.reserve(4);
  for (const auto* key : {&keys.lock, &keys.queue, &keys.seen}) {
    all.push_back(*key);
  }
  if (!is_gate(keys.kind)) {
    all.emplace_back(fence_key);
  }
  return all;
}

}  // namespace dlock::core
