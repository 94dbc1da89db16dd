// Inspector: looks at locks, over connections beside the client's shared ones.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/servers.hpp"
#include "client/store_config.hpp"
#include "dlock/inspect.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// Says of the whole lock what its first holder says. A mutex has no other.
void show_first(LockInfo& lock);

/// Not thread-safe. All members throw `Unreachable`, `Refused` or `StoreUnusable`.
class Inspector {
 public:
  /// Connects. `stop`: as of `Servers`.
  explicit Inspector(const StoreConfig& config, std::stop_token stop = {})
      : Inspector(config, config.endpoint, std::move(stop)) {}
  /// To one of a quorum's servers, where each has its own view.
  Inspector(const StoreConfig& config, const redis::Endpoint& endpoint, std::stop_token stop = {});

  /// Sends a command, whose second field is a key or a channel, to the server that has it. Throws
  /// on an error reply.
  redis::Reply call(std::span<const std::string_view> fields);
  redis::Reply call(std::initializer_list<std::string_view> fields) {
    return call(std::span{fields.begin(), fields.size()});
  }
  /// Runs a script of ours, whose keys are together.
  redis::Reply run(std::string_view script, std::string_view sha, std::span<const std::string> keys,
                   std::span<const std::string_view> arguments);

  /// The text at a key, at most 1 MiB; empty also if somebody else uses the key for something else.
  [[nodiscard]] std::string text_at(const std::string& key);

  /// Sends a command that has no key, and may take `longer` than others. Throws on an error reply.
  redis::Reply call_on(redis::Connection& server, std::initializer_list<std::string_view> fields,
                       std::chrono::milliseconds longer = {});

  /// For the messages of a channel that was subscribed to by `call`; and what was last sent for
  /// the key.
  [[nodiscard]] redis::Connection& connection_of(std::string_view key) { return servers_.of(key); }

  [[nodiscard]] std::string fence_key_for(std::string_view key) const {
    return config_.fence_key_for(key);
  }

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

  /// Walks over the keys that match, in steps; some come twice.
  template <class Visit>
  void scan(std::string_view pattern, std::string_view type, Visit visit) {
    for (auto* const server : servers_.all()) {
      std::string cursor = "0";
      do {
        const auto reply =
            call_on(*server, {"SCAN", cursor, "MATCH", pattern, "COUNT", "500", "TYPE", type});
        std::vector<std::string> keys;
        for (const auto& key : element(reply, 1).elements) keys.push_back(key.text);
        visit(keys);
        cursor = element(reply, 0).text;
      } while (cursor != "0");
    }
  }

 private:
  void look_at_some(std::span<const std::string> keys, Wanted wanted,
                    std::span<const std::string_view> mode, std::map<std::string, LockInfo>& locks);
  static const redis::Reply& element(const redis::Reply& reply, std::size_t index);
  redis::Reply ask(std::string_view key, std::span<const std::string_view> fields);
  [[noreturn]] void fail(std::string_view error_reply, std::string_view key) const;

  const StoreConfig& config_;
  const std::chrono::milliseconds timeout_;
  Servers servers_;
};

}  // namespace dlock::detail
