// SideChannel: commands and scripts over connections beside the client's shared ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/connection.hpp"
#include "script/script.hpp"
#include "store/side_connections.hpp"
#include "store/store_config.hpp"

namespace dlock::detail {

/// Not thread-safe. All members throw `Unreachable`, `Refused` or `StoreUnusable`.
class SideChannel {
 public:
  /// Connects. `stop` ends every wait, as in `SideConnections`.
  explicit SideChannel(const StoreConfig& config, std::stop_token stop = {})
      : SideChannel(config, config.endpoint, std::move(stop)) {}
  /// Connects to one server of a quorum, each of which has its own view.
  SideChannel(const StoreConfig& config, const redis::Endpoint& endpoint,
              std::stop_token stop = {});

  /// Sends a command, whose second field is a key or a channel, to the server that has it. Throws
  /// on an error reply.
  redis::Reply call(std::span<const std::string_view> fields);
  redis::Reply call(std::initializer_list<std::string_view> fields) {
    return call(std::span{fields.begin(), fields.size()});
  }
  /// Runs a script whose keys are on one server.
  redis::Reply run(const script::Script& script, std::span<const std::string> keys,
                   std::span<const std::string_view> arguments);

  /// The text at a key, at most 1 MiB. Also empty if the key holds another type.
  [[nodiscard]] std::string text_at(const std::string& key);

  /// Sends a command that has no key, and may take `longer` than others. Throws on an error reply.
  redis::Reply call_on(redis::Connection& server, std::initializer_list<std::string_view> fields,
                       std::chrono::milliseconds longer = {});

  /// The connection for `key`: for the messages of a channel that `call` subscribed to.
  [[nodiscard]] redis::Connection& connection_of(std::string_view key) { return servers_.of(key); }

  /// Walks over the matching keys in steps; some keys may come twice.
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

  /// A walk over all keys of all servers, page by page.
  struct Walk {
    std::size_t server = 0;
    std::string cursor = "0";
    bool is_over = false;
  };
  /// The next page; some keys may come twice. To be called until the walk is over.
  [[nodiscard]] std::vector<std::string> next_page(Walk& walk);

  /// How many commands it has sent.
  [[nodiscard]] std::uint64_t commands() const noexcept { return commands_; }

  [[nodiscard]] const StoreConfig& config() const noexcept { return config_; }

 protected:
  /// The element at `index`, or an empty reply if there are fewer.
  static const redis::Reply& element(const redis::Reply& reply, std::size_t index);
  [[noreturn]] void fail(std::string_view error_reply, std::string_view key) const;

 private:
  redis::Reply ask(std::string_view key, std::span<const std::string_view> fields);

  std::uint64_t commands_ = 0;
  const StoreConfig& config_;
  const std::chrono::milliseconds timeout_;
  SideConnections servers_;
};

}  // namespace dlock::detail
