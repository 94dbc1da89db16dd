// Connector: makes a connection, and makes sure that the previous one is dead.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dlock/error.hpp"
#include "redis/cluster.hpp"
#include "redis/connection.hpp"
#include "runtime/background_task.hpp"

namespace dlock::detail {

/// The result of an attempt.
struct Dialled {
  std::unique_ptr<redis::Connection> connection;  ///< null: see `code` and `what`
  /// The fence counter for all locks, if the server has slots: it may be from when it had none.
  std::string former_fence{};
  bool old_is_dead = true;  ///< the server will execute nothing more of the previous connection
  errc code = errc::unreachable;
  std::string what;
  bool may_recover = true;  ///< another attempt may succeed, as when the server is starting
};

/// One attempt at a time. Not thread-safe.
class Connector : public runtime::BackgroundTask<Dialled> {
 public:
  struct Request {
    redis::Connection::Settings settings;
    /// The server's id of the previous connection, to be killed, or 0 if it did not say; none:
    /// there is none to be killed.
    std::optional<std::int64_t> kill;
    std::chrono::milliseconds request_timeout{};
    bool wants_former_fence = false;
  };

  /// Begins an attempt.
  void start(Request request, std::function<void()> wake);
};

/// Where the slots of a cluster are.
struct Surveyed {
  std::vector<redis::SlotRange> ranges;  ///< empty: see `code` and `what`
  errc code = errc::unreachable;
  std::string what;
};

/// Asks a cluster where its slots are. Not thread-safe.
class SlotSurvey : public runtime::BackgroundTask<Surveyed> {
 public:
  /// Begins to ask, `known` nodes first.
  void start(redis::Connection::Settings settings, std::vector<redis::Endpoint::Address> known,
             std::function<void()> wake);
};

}  // namespace dlock::detail
