// PrimaryWatch: notices a failover, of which the former primary may learn only late.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "redis/connection.hpp"

namespace dlock::detail {

/// Asks a client's Sentinels regularly, on its own thread.
class PrimaryWatch {
 public:
  /// Called with the primary each time that they answer.
  using Tell = std::function<void(const redis::Endpoint::Address&)>;

  /// Called with the reason when no Sentinel knows it.
  using Complain = std::function<void(const std::string&)>;

  PrimaryWatch(redis::Connection::Settings settings, Tell tell, Complain complain);
  /// Ends the calls. Waits for no Sentinel.
  ~PrimaryWatch();
  PrimaryWatch(const PrimaryWatch&) = delete;
  PrimaryWatch& operator=(const PrimaryWatch&) = delete;

 private:
  struct State;
  static void run(State& state);

  const std::shared_ptr<State>
      state_;  ///< shared with the thread, which runs until its answer comes
};

}  // namespace dlock::detail
