// Connector: makes a connection, and sure that the one before is dead.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dlock/error.hpp"
#include "redis/cluster.hpp"
#include "redis/connection.hpp"
#include "runtime/background_task.hpp"

namespace dlock::detail {

/// What came of it.
struct Dialled {
  std::unique_ptr<redis::Connection> connection;  ///< none: see `code` and `what`
  bool old_is_dead = true;  ///< nothing sent on the connection before can still be carried out
  errc code = errc::unreachable;
  std::string what;
};

/// One attempt at a time. Not thread-safe.
class Connector : public BackgroundTask<Dialled> {
 public:
  struct Request {
    redis::Connection::Settings settings;
    std::int64_t kill = 0;  ///< the server's id of the connection before, if it must be dead; or 0
    std::chrono::milliseconds request_timeout{};
  };

  /// Begins an attempt.
  void start(Request request, std::function<void()> wake);
};

/// What a cluster said of its slots.
struct Surveyed {
  std::vector<redis::SlotRange> ranges;  ///< none: see `code` and `what`
  errc code = errc::unreachable;
  std::string what;
};

/// Asks a cluster where its slots are. Not thread-safe.
class SlotSurvey : public BackgroundTask<Surveyed> {
 public:
  /// Begins to ask, `known` nodes first.
  void start(redis::Connection::Settings settings, std::vector<redis::Endpoint::Address> known,
             std::function<void()> wake);
};

}  // namespace dlock::detail
