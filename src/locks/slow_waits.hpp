// SlowWaits: reports waits that last for `ClientOptions::slow_wait`, with who holds the lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "dlock/stats.hpp"
#include "session/session.hpp"

namespace dlock::detail {

/// Thread-safe. Asks the server on its own thread, over a connection of its own, once for each such
/// wait.
class SlowWaits final : public Companion {
  struct Registry;

 public:
  explicit SlowWaits(Session& client);
  ~SlowWaits() override;
  SlowWaits(const SlowWaits&) = delete;
  SlowWaits& operator=(const SlowWaits&) = delete;

  /// Stops, and ends its requests. Does not wait.
  void end() override;

  /// A wait that is under way, as long as this object lives.
  class Wait {
   public:
    Wait(Session& client, const std::string& name, LeaseKind lock);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    const std::shared_ptr<Registry> registry_;  ///< the client may end first
    std::uint64_t number_ = 0;
  };
  /// Null if the client does not report them.
  [[nodiscard]] static std::shared_ptr<Wait> watch(Session& client, const std::string& name,
                                                   LeaseKind lock) {
    return client.options().slow_wait ? std::make_shared<Wait>(client, name, lock) : nullptr;
  }

 private:
  void run();
  void start();

  Session& client_;
  const std::shared_ptr<Registry> registry_;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace dlock::detail
