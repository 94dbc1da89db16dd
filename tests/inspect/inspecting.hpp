// Shared by the tests of inspection: a server, a client, and other clients that wait.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>

#include "dlock/dlock.hpp"
#include "support/redis_server.hpp"

namespace dlock {

class Inspecting : public testing::Test {
 protected:
  // A client that waits on a thread of its own; joined at the end.
  class Waiter {
   public:
    Waiter(const test::RedisServer& server, const std::string& name, ClientOptions options = {})
        : client_{server.unix_url(), std::move(options)},
          thread_{[this, name](std::stop_token stop) {
            try {
              lease_ = Mutex{client_, name}.acquire(stop);
              has_it_ = true;
            } catch (const Cancelled&) {
            }
          }} {}
    [[nodiscard]] bool has_it() const { return has_it_; }

   private:
    Client client_;
    std::optional<Lease> lease_;
    std::atomic<bool> has_it_ = false;
    std::jthread thread_;
  };

  std::size_t waiters_of(const std::string& name) {
    return inspect_lock(client_, name).waiters.size();
  }

  test::RedisServer server_;
  Client client_{server_.unix_url(), {.label = "the \"first\" one\n"}};
};

}  // namespace dlock
