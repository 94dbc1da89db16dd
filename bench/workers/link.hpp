// A bare blocking connection, for the floors.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "support/wire.hpp"
#include "workers/run.hpp"

namespace dlock::bench {

class Link {
 public:
  using Reply = redis::resp3::Value;

  explicit Link(const Server& server);

  /// Into the output buffer; it leaves with the next `read`.
  void append(std::initializer_list<std::string_view> fields) {
    wire_->append({fields.begin(), fields.size()});
  }
  /// The next reply or push, valid until the next call. Throws std::runtime_error for an error and
  /// a broken connection.
  Reply read();
  Reply call(std::initializer_list<std::string_view> fields) {
    append(fields);
    return read();
  }

 private:
  std::unique_ptr<test::Wire> wire_;
};

/// Deletes KEYS[1] if it holds ARGV[1]: what the release of most libraries is.
inline constexpr std::string_view compare_and_delete =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/// Loads a script and returns its digest.
std::string load(Link& link, std::string_view script);

}  // namespace dlock::bench
