// Inspector: a connection beside the client's shared one, that looks at locks.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/client_state.hpp"
#include "dlock/inspect.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// Not thread-safe. All members throw `Unreachable`, `Refused` or `StoreUnusable`.
class Inspector {
 public:
  /// Connects.
  explicit Inspector(ClientState& client);

  /// Sends a command, which may take `longer` than others. Throws on an error reply.
  redis::Reply call(std::span<const std::string_view> fields,
                    std::chrono::milliseconds longer = {});
  redis::Reply call(std::initializer_list<std::string_view> fields) {
    return call(std::span{fields.begin(), fields.size()});
  }
  /// Runs a script of ours.
  redis::Reply run(std::string_view script, std::string_view sha, std::span<const std::string> keys,
                   std::span<const std::string_view> arguments);

  /// For the messages of channels that were subscribed to by `call`.
  [[nodiscard]] redis::Connection& connection() noexcept { return *connection_; }

  /// Which of the keys asked for are in the answer.
  enum class Wanted {
    all,   ///< all; throws `errc::not_a_lock` if one is something else
    used,  ///< those that are held or waited for; what is not a lock is passed over
    ours,  ///< those that are held by clients of ours
  };
  /// The locks with these keys, by key. Names and parties are not filled in, but for client ids.
  [[nodiscard]] std::map<std::string, LockInfo> look(std::span<const std::string> keys,
                                                     Wanted wanted);
  /// Fills in what clients registered about themselves.
  void name_parties(std::map<std::string, LockInfo>& locks);

  /// Walks over the keys that match, in steps; some come twice.
  template <class Visit>
  void scan(std::string_view pattern, std::string_view type, Visit visit) {
    std::string cursor = "0";
    do {
      const auto reply = call({"SCAN", cursor, "MATCH", pattern, "COUNT", "500", "TYPE", type});
      std::vector<std::string> keys;
      for (const auto& key : element(reply, 1).elements) keys.push_back(key.text);
      visit(keys);
      cursor = element(reply, 0).text;
    } while (cursor != "0");
  }

 private:
  void look_at_some(std::span<const std::string> keys, Wanted wanted,
                    std::map<std::string, LockInfo>& locks);
  static const redis::Reply& element(const redis::Reply& reply, std::size_t index);
  [[noreturn]] void fail(std::string_view error_reply) const;

  ClientState& client_;
  const std::chrono::milliseconds timeout_;
  const std::unique_ptr<redis::Connection> connection_;
};

}  // namespace dlock::detail
