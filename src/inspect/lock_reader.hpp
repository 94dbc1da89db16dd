// LockReader: looks at locks, over connections beside the client's shared ones.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dlock/inspect.hpp"
#include "store/side_channel.hpp"

namespace dlock::detail {

/// Copies what its first holder says to the whole lock. A mutex has only one holder.
void show_first(LockInfo& lock);

/// Not thread-safe. All members throw `Unreachable`, `Refused` or `StoreUnusable`.
class LockReader : public SideChannel {
 public:
  using SideChannel::SideChannel;

  /// Which of the keys the answer contains.
  enum class Wanted {
    all,   ///< all; throws `errc::not_a_lock` if one is something else
    used,  ///< those that are held or waited for; keys that are not locks are skipped
    ours,  ///< those that clients of dlock hold
  };
  /// The locks with these keys, by key. Fills in no names, and of the parties only client ids.
  [[nodiscard]] std::map<std::string, LockInfo> look(std::span<const std::string> keys,
                                                     Wanted wanted);
  /// The lock with this key and its holders; if there are many, a part of them, another for each
  /// `turn`. Nullopt if `Wanted::used` would skip it.
  [[nodiscard]] std::optional<LockInfo> holders_of(const std::string& key, std::int64_t turn);
  /// Fills in what clients registered about themselves.
  void name_parties(std::map<std::string, LockInfo>& locks);
  void name_parties(std::span<Party* const> parties);

 private:
  void look_at_some(std::span<const std::string> keys, Wanted wanted,
                    std::span<const std::string_view> mode, std::map<std::string, LockInfo>& locks);
};

}  // namespace dlock::detail
