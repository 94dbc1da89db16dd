// Key walk: walks over the keys of a server in small steps, to find what dlock should not have
// left.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/server_probe.hpp"

namespace dlock::detail {

struct KeyFacts {
  std::string unknown;         ///< why the walk ended early; the other members count up to there
  std::string queues_unknown;  ///< why the doctor cannot tell whether waiters live
  std::int64_t walked = 0;
  std::int64_t total = 0;             ///< approximate; 0: unknown
  bool cut = false;                   ///< the walk ended at its maximum
  std::vector<std::string> endless;   ///< keys of dlock's that should expire and do not
  std::vector<std::string> orphaned;  ///< queue keys whose waiters are all gone
};

struct WalkOptions {
  std::string prefix;  ///< of the locks' names
  int db = 0;
  std::int64_t max_keys = 0;
  std::function<void(std::int64_t walked, std::int64_t total)> progress{};  ///< or none
};

/// Walks over the keys. `node` must have been asked before.
[[nodiscard]] KeyFacts walk_keys(redis::ServerProbe& node, const WalkOptions& options);

/// Drops orphaned queues that no longer are: their waiters were reconnecting, or left.
void look_again(redis::ServerProbe& node, KeyFacts& facts);

}  // namespace dlock::detail
