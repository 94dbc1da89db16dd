// Elections: those in which a client has campaigned, and which of them it leads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/engine/hold.hpp"
#include "dlock/stats.hpp"

namespace dlock::detail {

/// Not thread-safe.
class Elections {
 public:
  /// A campaign begins.
  void enter(std::string_view name) {
    if (known_.size() < max_known && !known_.contains(name)) {
      known_.emplace(name, 0);
    }
  }
  /// It succeeded, by this lease.
  void lead(std::string_view name, core::LeaseId lease) {
    leading_.emplace_back(lease, name);
    if (const auto found = known_.find(name); found != known_.end()) {
      ++found->second;
    }
  }
  /// A lease is lost, or released. Quick for one that leads nothing. Returns the election's name.
  std::string ended(core::LeaseId lease) {
    if (leading_.empty()) {
      return {};
    }
    const auto leadership = std::find_if(leading_.begin(), leading_.end(),
                                         [&](const auto& entry) { return entry.first == lease; });
    if (leadership == leading_.end()) {
      return {};
    }
    auto name = std::move(leadership->second);
    leading_.erase(leadership);
    if (const auto found = known_.find(name); found != known_.end()) {
      --found->second;
    }
    return name;
  }
  [[nodiscard]] std::vector<ElectionStats> all() const {
    std::vector<ElectionStats> all;
    for (const auto& [name, leaderships] : known_) {
      all.push_back({name, leaderships > 0});
    }
    return all;
  }

 private:
  static constexpr std::size_t max_known = 64;

  std::map<std::string, int, std::less<>> known_;  ///< with the number of leaderships
  std::vector<std::pair<core::LeaseId, std::string>> leading_;
};

}  // namespace dlock::detail
