// Breaker: takes locks away for those who know the token.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "cli/serve/http_server.hpp"
#include "dlock/client.hpp"

namespace dlock::cli {

/// Thread-safe.
class Breaker {
 public:
  /// Without a token it takes nothing away.
  Breaker(Client& client, std::string token) : client_(client), token_(std::move(token)) {}

  [[nodiscard]] bool is_allowed() const noexcept { return !token_.empty(); }
  /// `POST` with the parameters `name` and `fence`, and the token in `Authorization: Bearer`. A
  /// page of another site cannot send that header.
  [[nodiscard]] HttpAnswer take_away(const HttpRequest& request);

 private:
  [[nodiscard]] bool knows_token(std::string_view authorization) const noexcept;

  Client& client_;
  const std::string token_;
  std::mutex mutex_;  ///< one at a time
};

/// Reads the token from the first line of a file. Throws `std::runtime_error`, which says what to
/// do, if it cannot be read or is shorter than 16 characters.
[[nodiscard]] std::string read_token(const std::string& path);

}  // namespace dlock::cli
