// PrimaryWatch: notices a failover, of which a primary that is replaced may not know for long.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

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
  /// Waits for a question under way: at most for the connect timeout.
  ~PrimaryWatch();
  PrimaryWatch(const PrimaryWatch&) = delete;
  PrimaryWatch& operator=(const PrimaryWatch&) = delete;

 private:
  void run();

  const redis::Connection::Settings settings_;
  const Tell tell_;
  const Complain complain_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace dlock::detail
