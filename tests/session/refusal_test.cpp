// Servers that cannot be reached, do not let us, or take no writes: each has an error of its own.
#include <atomic>
#include <future>
#include <optional>
#include <vector>

#include "support/client_fixture.hpp"
#include "support/fake_peer.hpp"

namespace dlock::test {

namespace {

class Refusal : public ClientTest {
 protected:
  /// The URL of a user who may do everything but what `rules` say.
  [[nodiscard]] std::string url_of_user(std::initializer_list<std::string_view> rules) const {
    std::vector<std::string_view> fields{"ACL",     "SETUSER", "u",  "reset", "on",
                                         ">secret", "~*",      "&*", "+@all"};
    fields.insert(fields.end(), rules);
    server.command(fields);
    auto url = server.url();
    return url.insert(url.find("//") + 2, "u:secret@");
  }
  /// Takes a lock again and again, with growing fences.
  static void expect_locks(Client& client) {
    Mutex mutex{client, "m"};
    std::int64_t fence = 0;
    for (int round = 0; round < 6; ++round) {
      const auto lease = mutex.acquire();
      EXPECT_GT(lease.fence(), fence);
      fence = lease.fence();
    }
    EXPECT_EQ(client.stats().lost, 0U);
  }
  static errc try_at(const std::string& url) {
    return reason_of([&] {
      Client client{url};
      (void)Mutex{client, "m"}.try_acquire();
    });
  }
  static errc wait_at(const std::string& url, milliseconds limit = 60s) {
    return reason_of([&] {
      Client client{url};
      (void)Mutex{client, "m"}.try_acquire_for(limit);
    });
  }
  static std::string words_at(const std::string& url) {
    return words_of([&] {
      Client client{url};
      (void)Mutex{client, "m"}.acquire();
    });
  }
};

TEST_F(Refusal, NobodyAtTheAddressIsToldToATryAtOnceAndToAWaitAfterItsPatience) {
  const auto begin = SteadyClock::now();
  EXPECT_EQ(try_at("redis://127.0.0.1:1"), errc::unreachable);
  EXPECT_LT(SteadyClock::now() - begin, 5s) << "half of the patience";
  for (const auto* url : {"redis://127.0.0.1:1", "redis+unix:///no/such/socket"}) {
    EXPECT_EQ(wait_at(url, 100ms), errc::unreachable) << "the shorter limit counts";
    Client client{url, {.patience = 100ms}};
    EXPECT_THAT(words_of([&] { const DistributedLock lock(client, "m"); }),
                HasSubstr(std::string{url}.substr(8)));
  }
  EXPECT_LT(SteadyClock::now() - begin, 8s);
}

TEST_F(Refusal, AServerThatStartsLaterIsWaitedFor) {
  for (const bool was_connected : {false, true}) {
    Client client{server.url()};
    if (was_connected) (void)Mutex{client, "m"}.acquire();
    server.kill9();
    auto waits = std::async(std::launch::async,
                            [&] { return reason_of([&] { (void)Mutex{client, "m"}.acquire(); }); });
    EXPECT_EQ(waits.wait_for(100ms), std::future_status::timeout);
    server.restart();
    EXPECT_EQ(waits.get(), errc{}) << was_connected;
  }
}

TEST_F(Refusal, AServerThatNeverAnswersIsUnreachableInTime) {
  Client client{server.url(), {.connect_timeout = 200ms, .request_timeout = 200ms, .patience = 1s}};
  server.stop();
  const auto begin = SteadyClock::now();
  EXPECT_EQ(reason_of([&] { (void)Mutex{client, "m"}.try_acquire(); }), errc::unreachable);
  EXPECT_EQ(reason_of([&] { (void)Mutex{client, "m"}.acquire(); }), errc::unreachable);
  EXPECT_LT(SteadyClock::now() - begin, 10s);
  server.cont();
  EXPECT_EQ(reason_of([&] { (void)DistributedLock{client, "m"}; }), errc{});
}

TEST_F(Refusal, SomethingElseThanRedisIsUnreachable) {
  const FakePeer peer{"HTTP/1.1 400 Bad Request\r\n\r\n"};
  Client client{peer.url(), {.patience = 100ms}};
  EXPECT_EQ(reason_of([&] { (void)Mutex{client, "m"}.acquire(); }), errc::unreachable);
}

TEST_F(Refusal, AWrongPasswordIsRefused) {
  const RedisServer locked;
  locked.command({"CONFIG", "SET", "requirepass", "right"});
  const auto with_password = [&](const std::string& password) {
    auto url = locked.url();
    return url.insert(url.find("//") + 2, ":" + password + "@");
  };
  EXPECT_EQ(try_at(locked.url()), errc::refused);
  EXPECT_EQ(try_at(with_password("wrong")), errc::refused);
  EXPECT_EQ(wait_at(with_password("wrong")), errc::refused);
  EXPECT_THAT(words_at(locked.url()), HasSubstr("password"));
  EXPECT_THAT(words_at(with_password("wrong")), Not(HasSubstr("wrong")));
  EXPECT_EQ(wait_at(with_password("right")), errc{});
}

TEST_F(Refusal, AUserWithoutScriptsIsToldWhichRightIsMissing) {
  auto url = url_of_user({"-evalsha"});
  EXPECT_EQ(try_at(url), errc::refused);
  EXPECT_EQ(wait_at(url), errc::refused);
  EXPECT_THAT(words_at(url), HasSubstr("+evalsha"));
  url = url_of_user({"-eval"});
  EXPECT_THAT(words_at(url), HasSubstr("+eval"));
}

// Without MULTI the other commands of the block run one by one.
TEST_F(Refusal, AUserWithoutTheRightsForBlocksIsServedByScripts) {
  for (const auto* right : {"-multi", "-exec", "-getrange"}) {
    SCOPED_TRACE(right);
    Client client{url_of_user({right})};
    expect_locks(client);
    EXPECT_TRUE(is_free("m"));
    EXPECT_EQ(client.stats().reconnects, 0U);
  }
}

// The connection stays in the block, so the client needs another one.
TEST_F(Refusal, AServerWithoutTheEndOfBlocksIsServedByScripts) {
  const RedisServer renamed{{.config = {"rename-command EXEC \"\""}}};
  Client client{renamed.url()};
  expect_locks(client);
  EXPECT_EQ(client.stats().reconnects, 1U);
}

TEST_F(Refusal, AUserWithoutTheKeysIsToldSo) {
  for (const auto* pattern : {"~other*", "~m*"}) {
    const auto url = url_of_user({"resetkeys", pattern});
    EXPECT_EQ(wait_at(url), errc::refused) << pattern;
    EXPECT_THAT(words_at(url), HasSubstr("pattern")) << pattern;
  }
  EXPECT_EQ(wait_at(url_of_user({"resetkeys", "~m*", "~dlock1:*"})), errc{});
}

TEST_F(Refusal, AUserWithoutTheChannelsMayLockButNotWait) {
  const auto url = url_of_user({"resetchannels"});
  EXPECT_EQ(try_at(url), errc{});
  EXPECT_EQ(wait_at(url), errc{});
  Client there{server.url()};
  const DistributedLock held{there, "m"};
  EXPECT_EQ(try_at(url), errc{});
  EXPECT_EQ(wait_at(url), errc::refused);
  EXPECT_THAT(words_at(url), HasSubstr("&dlock1:*"));
  EXPECT_TRUE(eventually([&] { return waiting("m") == 0; }));
}

TEST_F(Refusal, WithoutTheRightToPublishAReleaseWorksAndTheNextLooksAgain) {
  std::atomic<int> reports{0};
  const auto log = [&](LogLevel level, std::string_view text) {
    reports += level == LogLevel::error && text.find("cannot publish grants") != text.npos ? 1 : 0;
  };
  Client client{url_of_user({"-spublish"}), {.log = log}};
  Client there{server.url()};
  constexpr auto ttl = 1s;
  std::optional<Lease> held{Mutex{client, "m", {.ttl = ttl}}.acquire()};
  auto next =
      std::async(std::launch::async, [&] { (void)DistributedLock{there, "m", {.ttl = ttl}}; });
  ASSERT_TRUE(come_to_wait("m", 1));
  held->release();
  EXPECT_EQ(next.wait_for(20 * ttl), std::future_status::ready);
  EXPECT_TRUE(eventually([&] { return reports > 0; }));
}

TEST_F(Refusal, WithoutTheRightToKillConnectionsABrokenOneLosesNothing) {
  Client client{url_of_user({"-client|kill", "-client|list"})};
  Client there{server.url()};
  constexpr auto ttl = 500ms;
  Mutex mutex{client, "m", {.ttl = ttl}};
  for (int round = 0; round < 5; ++round) {
    auto held = Mutex{there, "m"}.acquire();
    auto wait = std::async(std::launch::async, [&] { return mutex.try_acquire_for(60s); });
    ASSERT_TRUE(come_to_wait("m", 1));
    server.command({"CLIENT", "PAUSE", "20", "ALL"});
    server.command({"CLIENT", "KILL", "USER", "u"});
    held.release();
    EXPECT_TRUE(wait.get());
    EXPECT_TRUE((Mutex{there, "m"}.try_acquire_for(20 * ttl)));
  }
}

TEST_F(Refusal, AReplicaIsReadOnly) {
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_EQ(try_at(server.url()), errc::read_only);
  EXPECT_EQ(wait_at(server.url()), errc::read_only);
  EXPECT_THAT(words_at(server.url()), HasSubstr("primary"));
}

TEST_F(Refusal, AServerThatIsFullSaysSo) {
  Client client{server.url()};
  auto lease = Mutex{client, "held"}.acquire();
  server.command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(try_at(server.url()), errc::out_of_memory);
  EXPECT_EQ(wait_at(server.url()), errc::out_of_memory);
  EXPECT_THAT(words_at(server.url()), HasSubstr("maxmemory"));
  lease.release();
  EXPECT_TRUE(is_free("held"));
}

TEST_F(Refusal, AKeyThatIsNoLockSaysSo) {
  server.command({"LPUSH", "m", "x"});
  EXPECT_EQ(try_at(server.url()), errc::not_a_lock);
  EXPECT_EQ(wait_at(server.url()), errc::not_a_lock);
  EXPECT_EQ(server.command({"LRANGE", "m", "0", "-1"}), "x");
  server.command({"DEL", "m"});
}

TEST_F(Refusal, AServerThatTakesNoWritesSaysWhy) {
  server.command({"CONFIG", "SET", "min-replicas-to-write", "1"});
  EXPECT_EQ(try_at(server.url()), errc::store_unusable);
  EXPECT_THAT(words_at(server.url()), HasSubstr("min-replicas-to-write"));
  server.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
}

TEST_F(Refusal, AServerThatIsLoadingIsWaitedFor) {
  server.command({"CONFIG", "SET", "key-load-delay", "300"});  // microseconds a key
  server.command({"CONFIG", "SET", "loading-process-events-interval-bytes", "1024"});
  server.command({"DEBUG", "POPULATE", "3000"});
  std::atomic<bool> seen = false;  // a try may miss it on a slow machine
  auto reload = std::async(std::launch::async, [&] {
    while (!seen) server.command({"DEBUG", "RELOAD"});
  });
  EXPECT_TRUE(eventually([&] { return try_at(server.url()) == errc::loading; }));
  seen = true;
  EXPECT_EQ(wait_at(server.url()), errc{});
  reload.get();
  server.command({"FLUSHALL"});
}

TEST_F(Refusal, AServerBusyWithAScriptIsWaitedFor) {
  server.command({"CONFIG", "SET", "busy-reply-threshold", "10"});
  auto script = std::async(std::launch::async, [&] {
    EXPECT_THROW(server.command({"EVAL", "while true do end", "0"}), std::runtime_error);
  });
  ASSERT_TRUE(eventually([&] {  // a try that came before the script could not give the lock back
    try {
      server.command({"GET", "m"});
      return false;
    } catch (const std::runtime_error&) {
      return true;
    }
  }));
  EXPECT_EQ(try_at(server.url()), errc::store_unusable);
  auto wait = std::async(std::launch::async, [&] { return wait_at(server.url()); });
  EXPECT_EQ(wait.wait_for(300ms), std::future_status::timeout);
  server.command({"SCRIPT", "KILL"});
  script.get();
  EXPECT_EQ(wait.get(), errc{});
}

TEST_F(Refusal, AWaitEndsWhenAnErrorMakesItHopeless) {
  Client client{server.url()};
  Client there{server.url()};
  auto held = Mutex{there, "m", {.ttl = 500ms}}.acquire();
  auto wait = std::async(std::launch::async,
                         [&] { return reason_of([&] { (void)Mutex{client, "m"}.acquire(); }); });
  ASSERT_TRUE(come_to_wait("m", 1));
  server.command({"DEL", "m"});
  server.command({"LPUSH", "m", "x"});
  EXPECT_EQ(wait.get(), errc::not_a_lock);
  server.command({"DEL", "m"});
}

}  // namespace

}  // namespace dlock::test
