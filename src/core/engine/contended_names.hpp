// ContendedNames: the names for which a client has met others lately.
#pragma once

#include <array>
#include <cstddef>

#include "core/wire/keys.hpp"

namespace dlock::core {

/// Who meets others at a lock needs the scripts, which queue and hand on; who is alone does not. A
/// table of fixed size: a name may push another one out, which costs that a round trip.
class ContendedNames {
 public:
  /// Whether others wanted it when it was last noted.
  [[nodiscard]] bool contains(const Key& key) const {
    const auto hash = hash_of(key);
    return hashes_[hash % hashes_.size()] == hash;
  }
  void note(const Key& key, bool is_contended) {
    const auto hash = hash_of(key);
    auto& place = hashes_[hash % hashes_.size()];
    if (is_contended) {
      place = hash;
    } else if (place == hash) {
      place = 0;
    }
  }

 private:
  static std::size_t hash_of(const Key& key) { return key.hash() | 1; }

  std::array<std::size_t, 127> hashes_{};
};

}  // namespace dlock::core
