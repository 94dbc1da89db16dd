// Connector: makes a connection on a thread of its own, since whoever keeps the leases' time must
// not wait for a name server, a handshake, or a server that does not answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "client/wake.hpp"
#include "dlock/error.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// What came of it.
struct Dialled {
  std::unique_ptr<redis::Connection> connection;  ///< none: see `code` and `what`
  bool old_is_dead = true;  ///< nothing sent on the connection before can still be carried out
  errc code = errc::unreachable;
  std::string what;
};

/// One attempt at a time. Not thread-safe. Destruction does not wait for the attempt.
class Connector {
 public:
  struct Request {
    redis::Connection::Settings settings;
    std::int64_t kill = 0;  ///< the server's id of the connection before, if it must be dead; or 0
    std::chrono::milliseconds request_timeout{};
  };

  /// Begins an attempt; `woken` are notified when it has come to an end.
  void start(Request request, std::shared_ptr<Wake> leader, std::shared_ptr<Wake> keeper);
  [[nodiscard]] bool is_busy() const { return attempt_ != nullptr; }
  /// The result, once, when it is there.
  [[nodiscard]] std::optional<Dialled> take();
  /// Wants no result any more.
  void abandon() { attempt_.reset(); }

 private:
  struct Attempt {
    std::mutex mutex;
    std::optional<Dialled> result;
  };
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace dlock::detail
