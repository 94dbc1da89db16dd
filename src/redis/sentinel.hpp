// Sentinels: they know which server is the primary now.
#pragma once

#include <memory>

#include "redis/connection.hpp"
#include "redis/dial.hpp"

namespace dlock::redis {

/// Not thread-safe. Keeps the connection to the Sentinel that answered last.
class Sentinels {
 public:
  /// Those of `settings.endpoint`.
  explicit Sentinels(Connection::Settings settings) : settings_(std::move(settings)) {}

  /// Asks them, one after the other, until one knows. Throws `Unreachable` if none does in time, or
  /// the error that the last one answered.
  [[nodiscard]] Endpoint::Address primary(Deadline deadline);

 private:
  [[nodiscard]] std::unique_ptr<Connection> open(const Endpoint::Address& sentinel,
                                                 std::chrono::milliseconds time) const;
  [[nodiscard]] std::optional<Endpoint::Address> ask(std::chrono::milliseconds time);

  Connection::Settings settings_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace dlock::redis
