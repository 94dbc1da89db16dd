// Credentials that change: a function gives them, for each connection and before they end.
#include <atomic>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

void add_user(const RedisServer& server, std::string_view user, std::string_view password) {
  server.command({"ACL", "SETUSER", user, "on", ">" + std::string{password}, "~*", "&*", "+@all"});
}

/// The users of the connections of clients.
std::vector<std::string> users_of(const RedisServer& server) {
  std::vector<std::string> users;
  std::istringstream clients{server.command({"CLIENT", "LIST"})};
  for (std::string line; std::getline(clients, line);) {
    const auto at = line.find(" user=");
    if (line.find(" name=dlock:") == line.npos || at == line.npos) continue;
    users.push_back(line.substr(at + 6, line.find(' ', at + 6) - at - 6));
  }
  return users;
}

class CredentialsTest : public ClientTest {
 protected:
  /// For a function that may still run when its client is gone.
  static std::shared_ptr<std::atomic<int>> counter() {
    return std::make_shared<std::atomic<int>>(0);
  }
  CredentialsTest() { add_user(server, "ann", "first"); }
};

TEST_F(CredentialsTest, AreThoseOfEachConnection) {
  const auto asked = counter();
  Client client{server.url(), {.credentials = [asked] {
                  ++*asked;
                  return Credentials{.user = "ann", .password = "first"};
                }}};
  const auto lease = Mutex{client, "m"}.acquire();
  EXPECT_EQ(*asked, 1);
  EXPECT_THAT(users_of(server), testing::ElementsAre("ann"));
  EXPECT_TRUE(inspect_lock(client, "m").held);
  EXPECT_EQ(*asked, 2);
  EXPECT_EQ(check_up(client, {.clock_span = 1ms}).findings.empty(), false);
}

TEST_F(CredentialsTest, AreAskedForAgainBeforeTheyEndAndTheConnectionStays) {
  add_user(server, "bob", "other");
  const auto asked = counter();
  const auto give = [asked] {
    const bool is_first = (*asked)++ == 0;
    return is_first ? Credentials{"ann", "first", span_until(SteadyClock::now() + 200ms)}
                    : Credentials{"bob", "other", 200ms};
  };
  Client client{server.url(), {.credentials = give}};
  auto lease = Mutex{client, "m"}.acquire();
  EXPECT_TRUE(eventually([&] { return users_of(server) == std::vector<std::string>{"bob"}; }));
  EXPECT_TRUE(eventually([&] { return *asked > 4; }));
  EXPECT_EQ(client.stats().reconnects, 0U);
  EXPECT_NO_THROW(lease.release());
  const int before = *asked;
  EXPECT_TRUE(eventually([&] { return *asked > before; })) << "also when nothing is held";
  EXPECT_EQ(client.stats().reconnects, 0U);
}

TEST_F(CredentialsTest, ThatAreRefusedOrMissingArePartOfTheError) {
  const auto throws = counter();
  const auto give = [throws] {
    if (*throws > 0) throw std::runtime_error("the token service is down");
    return Credentials{"ann", "wrong", {}};
  };
  Client client{server.url(), {.patience = 0ms, .credentials = give}};
  const auto acquire = [&] { (void)Mutex{client, "m"}.acquire(); };
  EXPECT_THAT(words_of(acquire), HasSubstr("password"));
  EXPECT_THAT(words_of(acquire), Not(HasSubstr("wrong")));
  *throws = 1;
  EXPECT_THAT(words_of(acquire), HasSubstr("the token service is down"));
  EXPECT_EQ(reason_of(acquire), errc::unreachable);
}

TEST_F(CredentialsTest, ThatComeLaterAreWaitedFor) {
  const auto asked = counter();
  const auto give = [asked] {
    if (++*asked < 5) throw std::runtime_error("the token service is down");
    return Credentials{"ann", *asked < 8 ? "wrong" : "first", {}};
  };
  Client client{server.url(), {.credentials = give}};
  EXPECT_NO_THROW((void)Mutex(client, "m").acquire());
}

TEST_F(CredentialsTest, ThatTakeLongDelayNoRenewal) {
  std::promise<void> go_on;
  const auto asked = counter();
  const auto give = [asked, gone_on = go_on.get_future().share()] {
    if (++*asked > 1) gone_on.wait();
    return Credentials{"ann", "first", 100ms};
  };
  Client client{server.url(), {.credentials = give}};
  auto lease = Mutex{client, "m", {.ttl = 300ms}}.acquire();
  ASSERT_TRUE(eventually([&] { return *asked > 1; }));
  const auto before = client.stats().renewals;
  EXPECT_TRUE(eventually([&] { return client.stats().renewals > before + 5; }));
  lease.ensure_held();
  go_on.set_value();
}

TEST_F(CredentialsTest, AreForEachServerOfAQuorumInPlaceOfThoseInTheUrl) {
  RedisServer other;
  RedisServer third;
  for (const auto* const one : {&other, &third}) add_user(*one, "ann", "first");
  std::string url = "redis+quorum://nobody:wrong@";
  for (const auto* const one : {&server, &other, &third}) {
    url += "127.0.0.1:" + std::to_string(one->port()) + ",";
  }
  url.pop_back();
  Client client{url, {.credentials = [] { return Credentials{"ann", "first", {}}; }}};
  EXPECT_NO_THROW((void)Mutex(client, "m").acquire());
}

// In RESP2, where a client has two connections.
class Resp2CredentialsTest : public ClientTest {
 protected:
  Resp2CredentialsTest() : ClientTest({.ways = "resp2"}) {}
};

TEST_F(Resp2CredentialsTest, AreForNewConnectionsBecauseOneThatListensTakesNone) {
  add_user(server, "ann", "first");
  add_user(server, "bob", "other");
  const auto asked = std::make_shared<std::atomic<int>>(0);
  const auto give = [asked] {
    return (*asked)++ == 0 ? Credentials{"ann", "first", 200ms}
                           : Credentials{"bob", "other", std::nullopt};
  };
  Client client{server.url(), {.credentials = give}};
  Client other{server.url(), {.credentials = [] { return Credentials{"bob", "other", {}}; }}};
  auto lease = Mutex{client, "m"}.acquire();
  auto next = std::async(std::launch::async, [&] { return Mutex{other, "m"}.acquire().fence(); });
  EXPECT_TRUE(eventually([&] { return users_of(server) == std::vector<std::string>(4, "bob"); }));
  EXPECT_TRUE(eventually([&] { return client.stats().reconnects == 1; }));
  const auto fence = lease.fence();
  EXPECT_NO_THROW(lease.release());
  EXPECT_GT(next.get(), fence);
}

TEST_F(Resp2CredentialsTest, ThatCannotBeHadEndNoConnectionThatIsGood) {
  add_user(server, "ann", "first");
  const auto asked = std::make_shared<std::atomic<int>>(0);
  const auto give = [asked]() -> Credentials {
    if ((*asked)++ > 0) throw std::runtime_error("the token service is down");
    return {"ann", "first", 200ms};
  };
  Client client{server.url(), {.credentials = give}};
  auto lease = Mutex{client, "m", {.ttl = 1s}}.acquire();
  ASSERT_TRUE(eventually([&] { return *asked > 2; }));
  EXPECT_EQ(client.stats().reconnects, 0U);
  EXPECT_NO_THROW(lease.release());
}

TEST_F(CredentialsTest, OfSeveralServersComeFromOneCallAtATime) {
  RedisServer other;
  RedisServer third;
  std::string url = "redis+quorum://";
  for (const auto* const one : {&server, &other, &third}) {
    add_user(*one, "ann", "first");
    url += "127.0.0.1:" + std::to_string(one->port()) + ",";
  }
  url.pop_back();
  const auto calls = counter();
  const auto most = counter();
  Client client{url, {.credentials = [calls, most] {
                  *most = std::max<int>(*most, ++*calls);
                  std::this_thread::sleep_for(100ms);
                  --*calls;
                  return Credentials{"ann", "first", {}};
                }}};
  EXPECT_NO_THROW((void)Mutex(client, "m").acquire());
  EXPECT_EQ(*most, 1);
}

TEST_F(CredentialsTest, OfAFunctionThatThrowsWhatIsNoErrorFailTheAttempt) {
  Client client{server.url(), {.patience = 0ms, .credentials = []() -> Credentials { throw 7; }}};
  EXPECT_EQ(reason_of([&] { (void)Mutex(client, "m").acquire(); }), errc::unreachable);
}

// The password of a user under load; the old one is good for a moment longer, as with two tokens.
class Rotation {
 public:
  explicit Rotation(const RedisServer& server) : server_(server) { add_user(server, "ann", "p0"); }

  [[nodiscard]] Credentials now() const {
    const std::lock_guard lock{mutex_};
    return {"ann", "p" + std::to_string(number_), 1s};
  }
  void rotate() {
    const auto old = "p" + std::to_string(number_);
    const auto next = "p" + std::to_string(number_ + 1);
    if (number_ % 2 == 0) server_.command({"ACL", "SETUSER", "ann", ">" + next});  // both
    {
      const std::lock_guard lock{mutex_};
      ++number_;
    }
    server_.command({"ACL", "SETUSER", "ann", ">" + next, "<" + old});
    if (number_ % 2 == 0) server_.command({"CLIENT", "KILL", "USER", "ann"});
  }

 private:
  const RedisServer& server_;
  mutable std::mutex mutex_;
  int number_ = 0;
};

TEST_F(CredentialsTest, ThatChangeEachSecondUnderLoadLoseNothing) {
  const auto rotation = std::make_shared<Rotation>(server);
  const ClientOptions options{.credentials = [rotation] { return rotation->now(); }};
  std::atomic<bool> is_over = false;
  std::atomic<int> inside = 0;
  std::atomic<int> turns = 0;
  std::atomic<int> errors = 0;
  Client client{server.url(), options};
  Client other{server.url(), options};
  auto held = Mutex{client, "held", {.ttl = 2s}}.acquire();
  auto waits = std::async(std::launch::async, [&] { return Mutex{other, "held"}.acquire(); });
  ASSERT_TRUE(come_to_wait("held", 1));
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back([&, i] {
        Client own{server.url(), options};
        Mutex mutex{i % 2 == 0 ? client : own, "busy"};
        while (!is_over) {
          try {
            auto lease = mutex.acquire();
            if (++inside > 1) ++errors;
            ++turns;
            --inside;
            lease.release();
          } catch (const Error& error) {
            ++errors;
            ADD_FAILURE() << error.what();
          }
        }
      });
    }
    const char* const given = std::getenv("DLOCK_ROTATIONS");  // 60 are the minute of a release
    const int rotations = given != nullptr ? std::atoi(given) : 4;
    for (int i = 0; i < rotations; ++i) {
      const auto next = SteadyClock::now() + 1s;
      const int before = turns;
      rotation->rotate();
      EXPECT_TRUE(eventually([&] { return SteadyClock::now() >= next && turns > before; }));
    }
    is_over = true;
  }
  EXPECT_EQ(errors, 0);
  EXPECT_GT(client.stats().reconnects, 0U);
  EXPECT_FALSE(held.lost().stop_requested());
  EXPECT_NO_THROW(held.release());
  EXPECT_NO_THROW(waits.get().release());
}

}  // namespace
}  // namespace dlock::test
