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

/// Says of the whole lock what its first holder says. A mutex has no other.
void show_first(LockInfo& lock);

/// Not thread-safe. All members throw `Unreachable`, `Refused` or `StoreUnusable`.
class LockReader : public SideChannel {
 public:
  using SideChannel::SideChannel;

  /// Which of the keys asked for are in the answer.
  enum class Wanted {
    all,   ///< all; throws `errc::not_a_lock` if one is something else
    used,  ///< those that are held or waited for; what is not a lock is passed over
    ours,  ///< those that are held by clients of ours
  };
  /// The locks with these keys, by key. Names and parties are not filled in, but for client ids.
  [[nodiscard]] std::map<std::string, LockInfo> look(std::span<const std::string> keys,
                                                     Wanted wanted);
  /// Who has the lock with this key: of permits with many holders a part, another for each `turn`.
  /// Passed over, as of `Wanted::used`: null.
  [[nodiscard]] std::optional<LockInfo> holders_of(const std::string& key, std::int64_t turn);
  /// Fills in what clients registered about themselves.
  void name_parties(std::map<std::string, LockInfo>& locks);
  void name_parties(std::span<Party* const> parties);

 private:
  void look_at_some(std::span<const std::string> keys, Wanted wanted,
                    std::span<const std::string_view> mode, std::map<std::string, LockInfo>& locks);
};

}  // namespace dlock::detail
