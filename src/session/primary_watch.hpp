// PrimaryWatch: notices a failover, of which a primary that is replaced may not know for long.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "redis/connection.hpp"

namespace dlock::detail {

/// Asks the Sentinels of a client now and then, on a thread of its own.
class PrimaryWatch {
 public:
  /// Told which server is the primary, each time they answer.
  using Tell = std::function<void(const redis::Endpoint::Address&)>;

  /// Told why nobody knows.
  using Complain = std::function<void(const std::string&)>;

  PrimaryWatch(redis::Connection::Settings settings, Tell tell, Complain complain);
  /// Tells nothing any more. Waits for no Sentinel.
  ~PrimaryWatch();
  PrimaryWatch(const PrimaryWatch&) = delete;
  PrimaryWatch& operator=(const PrimaryWatch&) = delete;

 private:
  struct State;
  static void run(State& state);

  const std::shared_ptr<State> state_;  ///< the thread's too, which goes on until it has its answer
};

}  // namespace dlock::detail
