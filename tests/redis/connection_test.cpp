// Connections: the order of replies, pushes beside them, and how they end.
#include "redis/connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "redis/connecting.hpp"
#include "support/fake_peer.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace dlock::redis {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Connection, RepliesComeInTheOrderOfTheCommands) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  append(*connection, {"SET", "k", "1"});
  append(*connection, {"INCR", "k"});
  append(*connection, {"GET", "none"});
  append(*connection, {"LPUSH", "k", "x"});
  append(*connection, {"CONFIG", "GET", "port"});
  append(*connection, {"GET", "k"});
  append(*connection, {"SET", "k", ""});
  append(*connection, {"GET", "k"});
  Recorder recorder;
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 8; }));
  EXPECT_THAT(recorder.events,
              ElementsAre("OK", "2", "nil", HasSubstr("error WRONGTYPE"), "other", "2", "OK", ""));
}

TEST(Connection, ASubscriptionIsConfirmedInItsPlaceAmongTheReplies) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  append(*connection, {"ECHO", "before"});
  append(*connection, {"SSUBSCRIBE", "c"});
  append(*connection, {"ECHO", "after"});
  Recorder recorder;
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 3; }));
  EXPECT_THAT(recorder.events, ElementsAre("before", "c", "after"));
}

TEST(Connection, ARefusedSubscriptionTakesOneReplyToo) {
  const test::RedisServer server;
  server.command({"ACL", "SETUSER", "u", "on", "nopass", "~*", "+@all", "resetchannels"});
  auto url = server.unix_url();
  url.insert(url.find("//") + 2, "u:x@");
  const auto connection = connect(url);
  append(*connection, {"ECHO", "before"});
  append(*connection, {"SSUBSCRIBE", "c"});
  append(*connection, {"ECHO", "after"});
  Recorder recorder;
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 3; }));
  EXPECT_THAT(recorder.events, ElementsAre("before", HasSubstr("error NOPERM"), "after"));
}

TEST(Connection, MessagesComeBesideTheReplies) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  append(*connection, {"SSUBSCRIBE", "c"});
  append(*connection, {"SPUBLISH", "c", "to\nmyself"});
  append(*connection, {"ECHO", "after"});
  Recorder recorder;
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.events.size() == 4; }));
  // The message comes before the reply of SPUBLISH on Redis 7.0, and after it on newer servers.
  EXPECT_THAT(recorder.events, testing::UnorderedElementsAre("c", "c>to\nmyself", "1", "after"));
  EXPECT_EQ(recorder.events.front(), "c");
  server.command({"SPUBLISH", "c", ""});
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.events.size() == 5; }));
  EXPECT_EQ(recorder.events.back(), "c>");
}

TEST(Connection, PushesOfOtherKindsAreIgnored) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  append(*connection, {"CLIENT", "TRACKING", "ON"});
  append(*connection, {"GET", "k"});
  Recorder recorder;
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 2; }));
  server.command({"SET", "k", "x"});  // sends "invalidate"
  append(*connection, {"ECHO", "after"});
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 3; }));
  EXPECT_THAT(recorder.events, ElementsAre("OK", "nil", "after"));
}

TEST(Connection, TheChangeOfAWatchedKeyIsTold) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  EXPECT_TRUE(connection->tells_changes());
  append(*connection, {"CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP"});
  struct Changes final : Receiver {
    void on_reply(const ReplyView& /*reply*/) override { ++replies; }
    void on_message(std::string_view, std::string_view) override {}
    void on_unsubscribed(std::string_view /*channel*/) override {}
    void on_changed(std::optional<std::string_view> key) override {
      keys.emplace_back(key.value_or("all"));
    }
    std::vector<std::string> keys;
    int replies = 0;
  } changes;
  ASSERT_TRUE(run(*connection, changes, [&] { return changes.replies == 1; }));
  const auto watch = [&] {
    changes = {};
    append(*connection, {"CLIENT", "CACHING", "YES"});
    append(*connection, {"EXISTS", "k", "l"});
    return run(*connection, changes, [&] { return changes.replies == 2; });
  };
  const auto is_told = [&] {
    return run(*connection, changes, [&] { return !changes.keys.empty(); });
  };
  ASSERT_TRUE(watch());
  server.command({"SET", "k", "x"});
  ASSERT_TRUE(is_told());
  EXPECT_THAT(changes.keys, ElementsAre("k"));
  ASSERT_TRUE(watch());
  server.command({"FLUSHALL"});
  ASSERT_TRUE(is_told());
  EXPECT_THAT(changes.keys, ElementsAre("all"));
}

TEST(Connection, ASubscriptionThatTheServerEndsIsTold) {
  const test::FakePeer peer{greeting() + ">3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:0\r\n",
                            test::FakePeer::Then::wait};
  const auto connection = connect(peer.url());
  Recorder recorder;
  ASSERT_TRUE(run(*connection, recorder, [&] { return !recorder.events.empty(); }));
  EXPECT_THAT(recorder.events, ElementsAre("unsubscribed"));
}

TEST(Connection, FieldsOfAnyBytesAndManyMegabytesGoThrough) {
  const test::RedisServer server;
  const auto connection = connect(server.url());
  std::string big(8 << 20, 'x');
  big[1000] = '\0';
  big[2000] = '\n';
  append(*connection, {"SET", "k", big});
  append(*connection, {"GET", "k"});
  EXPECT_TRUE(connection->wants_write());
  struct Last final : Receiver {
    void on_reply(const ReplyView& reply) override { text = reply.text, ++replies; }
    void on_message(std::string_view, std::string_view) override {}
    void on_unsubscribed(std::string_view /*channel*/) override {}
    std::string text;
    int replies = 0;
  } last;
  ASSERT_TRUE(run(*connection, last, [&] { return last.replies == 2; }));
  EXPECT_FALSE(connection->wants_write());
  EXPECT_TRUE(last.text == big);
}

TEST(Connection, OneReceiveTakesAllThatIsThere) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  const std::string text(60'000, 'x');
  append(*connection, {"ECHO", text});
  append(*connection, {"ECHO", "last"});
  ASSERT_TRUE(connection->flush());
  ASSERT_FALSE(connection->wants_write());
  // Another connection is served after ours: when it is answered, ours has been.
  server.command({"PING"});
  server.command({"PING"});
  Recorder recorder;
  ASSERT_TRUE(connection->receive(recorder));
  EXPECT_EQ(recorder.replies, 2U);
}

TEST(Connection, ReceivingWithNothingThereReturnsAtOnce) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  Recorder recorder;
  EXPECT_TRUE(connection->receive(recorder));
  EXPECT_TRUE(recorder.events.empty());
}

TEST(Connection, ADeadServerBreaksItAndSaysWhy) {
  for (const bool tcp : {true, false}) {
    test::RedisServer server;
    const auto connection = connect(tcp ? server.url() : server.unix_url());
    server.kill9();
    Recorder recorder;
    EXPECT_FALSE(run(*connection, recorder, [] { return false; }));
    EXPECT_THAT(connection->problem(), HasSubstr("server closed the connection"));
    EXPECT_FALSE(connection->flush());
    EXPECT_FALSE(connection->receive(recorder));
    EXPECT_FALSE(connection->wants_write());
  }
}

TEST(Connection, WritingToADeadServerRaisesNoSignal) {
  const auto before = ::signal(SIGPIPE, SIG_DFL);
  test::RedisServer server;
  const auto connection = connect(server.unix_url());
  server.kill9();
  append(*connection, {"PING"});
  EXPECT_FALSE(connection->flush());
  EXPECT_NE(connection->problem(), "");
  EXPECT_THROW((void)connection->call({"PING"}, 10s), Unreachable);
  ::signal(SIGPIPE, before);
}

TEST(Connection, RepliesThatCameBeforeTheEndAreDelivered) {
  const test::FakePeer peer{greeting() + "+one\r\n+two\r\n"};
  const auto connection = connect(peer.url());
  Recorder recorder;
  EXPECT_FALSE(run(*connection, recorder, [] { return false; }));
  EXPECT_THAT(recorder.events, ElementsAre("one", "two"));
}

TEST(Connection, CallReturnsTrees) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  EXPECT_EQ(connection->call({"ZADD", "z", "1.5", "a", "2", "b"}, 10s).text, "2");
  const auto reply = connection->call({"ZRANGE", "z", "0", "-1", "WITHSCORES"}, 10s);
  ASSERT_EQ(reply.elements.size(), 2U);
  EXPECT_EQ(reply.elements[0].elements.at(0).text, "a");
  EXPECT_EQ(reply.elements[0].elements.at(1).text, "1.5");
  EXPECT_EQ(connection->call({"GET", "none"}, 10s).kind, ReplyView::Kind::nil);
  EXPECT_EQ(connection->call({"GET", "z"}, 10s).kind, ReplyView::Kind::error);
  EXPECT_EQ(connection->call({"TIME"}, 10s).elements.size(), 2U);
}

TEST(Connection, CallGivesUpInTime) {
  test::RedisServer server;
  const auto connection = connect(server.unix_url());
  server.stop();
  EXPECT_THROW((void)connection->call({"PING"}, 20ms), Unreachable);
  // The late reply must not be taken for another's: the connection is of no more use.
  server.cont();
  EXPECT_THROW((void)connection->call({"ECHO", "x"}, 10s), Unreachable);
}

TEST(Connection, AbortDropsWhatIsUnsent) {
  const test::RedisServer server;
  const auto connection = connect(server.url());
  append(*connection, {"SET", "k", "late"});
  connection->abort();
  EXPECT_EQ(connection->fd(), -1);
  EXPECT_FALSE(connection->wants_write());
  EXPECT_FALSE(connection->flush());
  Recorder recorder;
  EXPECT_FALSE(connection->receive(recorder));
  append(*connection, {"PING"});
  EXPECT_THROW((void)connection->call({"PING"}, 10s), Unreachable);
  connection->abort();
  EXPECT_TRUE(test::eventually(
      [&] { return server.command({"CLIENT", "LIST"}).find("dlock:0123") == std::string::npos; }));
  EXPECT_EQ(server.command({"GET", "k"}), "(nil)");
}

TEST(Connection, AbortResetsTheConnection) {
  for (const bool abort : {true, false}) {
    const test::FakePeer peer{greeting(), test::FakePeer::Then::wait};
    auto connection = connect(peer.url());
    if (abort) {
      connection->abort();
      EXPECT_TRUE(test::eventually([&] { return peer.saw_reset(); }));
    } else {
      connection.reset();
      (void)connect(peer.url());  // served after the first has ended
      EXPECT_FALSE(peer.saw_reset());
    }
  }
}

TEST(Connection, AReceiverMayAbort) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url());
  struct Aborter final : Receiver {
    explicit Aborter(Connection& of) : connection(of) {}
    void on_reply(const ReplyView&) override {
      ++replies;
      connection.abort();
    }
    void on_message(std::string_view, std::string_view) override {}
    void on_unsubscribed(std::string_view /*channel*/) override {}
    Connection& connection;
    int replies = 0;
  } aborter{*connection};
  append(*connection, {"PING"});
  append(*connection, {"PING"});
  EXPECT_FALSE(run(*connection, aborter, [] { return false; }));
  EXPECT_EQ(aborter.replies, 1);
}

}  // namespace
}  // namespace dlock::redis
