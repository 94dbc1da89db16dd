// Three real servers that know nothing of each other.
#pragma once

#include <array>
#include <string>

#include "support/client_fixture.hpp"

namespace dlock::test {

class QuorumServers : public testing::Test {
 protected:
  [[nodiscard]] std::string url() const {
    std::string all = "redis+quorum://";
    for (const auto& server : servers) all += "127.0.0.1:" + std::to_string(server.port()) + ",";
    all.pop_back();
    return all;
  }

  std::array<RedisServer, 3> servers;
};

}  // namespace dlock::test
