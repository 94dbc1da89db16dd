// The queue of a modelled lock: a sorted set and its expiry.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dlock::test {

using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;

/// Who waits for a lock, in order. Like its Redis key it is gone with its last entry, and so is its
/// expiry.
class ModelQueue {
 public:
  struct Entry {
    std::string token;
    std::int64_t score = 0;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  [[nodiscard]] bool empty() const { return order_.empty(); }
  [[nodiscard]] std::optional<std::int64_t> score(const std::string& token) const;
  [[nodiscard]] std::size_t place(const std::string& token) const;
  [[nodiscard]] std::vector<Entry> entries() const;
  /// The first that is not `token`; empty if there is none.
  [[nodiscard]] std::string first_but(std::string_view token) const;
  void put(const std::string& token, std::int64_t score);  ///< adds or moves
  bool remove(const std::string& token);
  Entry pop();

  std::optional<Millis> expires_at{};

 private:
  std::set<std::pair<std::int64_t, std::string>> order_;
  std::map<std::string, std::int64_t> scores_;
};

}  // namespace dlock::test
