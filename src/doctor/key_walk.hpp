// Key walk: over the keys of a server in small steps, to find what we left there and should not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/server_probe.hpp"

namespace dlock::detail {

struct KeyFacts {
  std::string unknown;         ///< why the walk ended early; the rest counts up to there
  std::string queues_unknown;  ///< why it is not known whether waiters live
  std::int64_t walked = 0;
  std::int64_t total = 0;             ///< about; 0: not known
  bool cut = false;                   ///< there are more than were to be walked over
  std::vector<std::string> endless;   ///< keys of ours that should expire and do not
  std::vector<std::string> orphaned;  ///< queue keys all of whose waiters are gone
};

struct WalkOptions {
  std::string prefix;  ///< of the names of locks
  int db = 0;
  std::int64_t max_keys = 0;
  std::function<void(std::int64_t walked, std::int64_t total)> progress{};  ///< or none
};

/// Walks. `node` was asked already.
[[nodiscard]] KeyFacts walk_keys(redis::ServerProbe& node, const WalkOptions& options);

/// Drops from the orphaned those that are so no more: their waiters were reconnecting, or left.
void look_again(redis::ServerProbe& node, KeyFacts& facts);

}  // namespace dlock::detail
