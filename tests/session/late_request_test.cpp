// Requests that were under way when their connection was given up, and arrive after all.
#include <future>

#include "redis/connection.hpp"
#include "session/relay.hpp"
#include "support/client_fixture.hpp"

namespace dlock::test {

namespace {

class LateRequest : public ClientTest {
 protected:
  const ClientOptions impatient{.request_timeout = 1s};
  Relay relay{server.port()};

  [[nodiscard]] std::string url(const std::string& login = "") const {
    return "redis://" + login + "127.0.0.1:" + std::to_string(relay.port());
  }
  /// Takes a lock whose first request is kept back, so that it is had on a second connection.
  void acquire_twice(Client& client) {
    {
      const DistributedLock known{client, "m"};  // so is the script
    }
    relay.hold();
    const DistributedLock lock{client, "m"};
    EXPECT_TRUE(relay.has_kept());
    EXPECT_EQ(client.stats().reconnects, 1U);
    EXPECT_TRUE(holds("m", lock));
  }
};

TEST_F(LateRequest, IsNotCarriedOutOnceItsConnectionWasReplaced) {
  Client client{url(), impatient};
  acquire_twice(client);
  EXPECT_EQ(relay.let_go(), "");
  EXPECT_TRUE(is_free("m"));
}

TEST_F(LateRequest, IsUndoneIfItsConnectionMayNotBeKilled) {
  server.command({"ACL", "SETUSER", "u", "on", ">pw", "~*", "&*", "+@all", "-client|kill"});
  Client client{url("u:pw@"), impatient};
  acquire_twice(client);
  EXPECT_THAT(relay.let_go(), HasSubstr("acquired"));
  EXPECT_TRUE(eventually([&] { return is_free("m"); }, 20s)) << "long before its ttl is over";
}

// A server that was restarted counts its connections from the beginning.
TEST_F(LateRequest, IsNotStoppedByKillingTheConnectionOfAnother) {
  Client client{url(), impatient};
  {
    const DistributedLock known{client, "m"};
  }
  const auto all = server.command({"CLIENT", "LIST"});
  const auto ours = all.substr(all.rfind("id=", all.find("name=dlock:")) + 3);
  const auto id = std::stoll(ours);
  relay.hold();
  auto lock = std::async(std::launch::async, [&] { return Mutex{client, "m"}.acquire(); });
  EXPECT_TRUE(eventually([&] { return relay.has_kept(); }));
  server.kill9();
  server.restart();
  std::vector<std::unique_ptr<redis::Connection>> others;
  do {
    others.push_back(redis::Connection::open(
        {.endpoint = redis::parse_url(server.url()), .client_name = "other"}));
  } while (others.back()->id() < id);
  EXPECT_TRUE(lock.get().held());
  EXPECT_EQ(client.stats().reconnects, 1U);
  EXPECT_THAT(server.command({"CLIENT", "LIST", "ID", std::to_string(id)}),
              HasSubstr("name=other"));
}

}  // namespace

}  // namespace dlock::test
