// A server that speaks RESP2: two connections that are one to their user.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/connecting.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace dlock::redis {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class Resp2 : public testing::TestWithParam<const char*> {
 protected:
  test::RedisServer server{{.ways = GetParam()}};

  /// The connections of clients, one a line.
  [[nodiscard]] std::string clients() const { return server.command({"CLIENT", "LIST"}); }
};

INSTANTIATE_TEST_SUITE_P(Ways, Resp2, testing::Values("resp2", "hello2"));

TEST_P(Resp2, LogsInAndKnowsItsId) {
  server.command({"ACL", "SETUSER", "alice", "on", ">p", "~*", "&*", "+@all"});
  server.command({"CONFIG", "SET", "requirepass", "s3cret"});
  for (const auto* const who : {":s3cret", "alice:p"}) {
    const auto connection = connect(with_user(server.url(), who) + "/3");
    EXPECT_EQ(connection->call({"CLIENT", "ID"}, 10s).text, std::to_string(connection->id()));
    EXPECT_THAT(
        connection->call({"CLIENT", "INFO"}, 10s).text,
        testing::AllOf(HasSubstr("name=dlock:0123 "), HasSubstr("resp=2"), HasSubstr("db=3")));
    EXPECT_GE(connection->listener_fd(), 0);
    EXPECT_FALSE(connection->tells_changes());
  }
  EXPECT_EQ(failure_of(server.url()).code, errc::refused);
  EXPECT_THAT(failure_of(server.url()).what, HasSubstr("wants a password"));
  EXPECT_EQ(failure_of(with_user(server.url(), ":wr0ng")).code, errc::refused);
}

TEST_P(Resp2, NoCommandOvertakesASubscription) {
  const auto connection = connect(server.url());
  for (int i = 0; i < 100; ++i) {
    const auto channel = "channel" + std::to_string(i);
    Recorder recorder;
    append(*connection, {"ECHO", "before"});
    append(*connection, {"SSUBSCRIBE", channel});
    append(*connection, {"SPUBLISH", channel, "news"});
    append(*connection, {"SSUBSCRIBE", channel + "x"});
    append(*connection, {"ECHO", "after"});
    ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.events.size() == 6; }));
    std::erase(recorder.events, channel + ">news");  // a message has no place among the replies
    EXPECT_THAT(recorder.events, ElementsAre("before", channel, "1", channel + "x", "after"));
  }
}

TEST_P(Resp2, ARefusedSubscriptionIsAnErrorInItsPlace) {
  server.command({"ACL", "SETUSER", "u", "on", ">p", "~*", "resetchannels", "&mine", "+@all"});
  const auto connection = connect(with_user(server.url(), "u:p"));
  Recorder recorder;
  append(*connection, {"SSUBSCRIBE", "theirs"});
  append(*connection, {"SSUBSCRIBE", "mine"});
  append(*connection, {"PING"});
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 3; }));
  EXPECT_THAT(recorder.events, ElementsAre(testing::StartsWith("error NOPERM"), "mine", "PONG"));
}

TEST_P(Resp2, OneCommandAtATimeCanSubscribeToo) {
  const auto connection = connect(server.url());
  EXPECT_NE(connection->call({"SSUBSCRIBE", "c"}, 10s).kind, ReplyView::Kind::error);
  EXPECT_EQ(connection->call({"SPUBLISH", "c", "news"}, 10s).text, "1");
  Recorder recorder;
  ASSERT_TRUE(run(*connection, recorder, [&] { return !recorder.events.empty(); }));
  EXPECT_THAT(recorder.events, ElementsAre("c>news"));
}

TEST_P(Resp2, TheEndOfEitherConnectionIsTheEndOfBoth) {
  for (const auto* const end : {"name=dlock:0123 ", "name=dlock:0123:listens "}) {
    const auto connection = connect(server.url());
    Recorder recorder;
    append(*connection, {"SSUBSCRIBE", "c"});
    ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 1; }));
    const auto all = clients();
    const auto line = all.rfind('\n', all.find(end)) + 1;
    const auto id = all.substr(line + 3, all.find(' ', line) - line - 3);
    server.command({"CLIENT", "KILL", "ID", id});
    EXPECT_FALSE(run(*connection, recorder, [] { return false; }));
    EXPECT_FALSE(connection->problem().empty());
  }
}

TEST(Resp3, NeedsNoSecondConnection) {
  const test::RedisServer server;
  const auto connection = connect(server.url());
  EXPECT_LT(connection->listener_fd(), 0);
  EXPECT_TRUE(connection->tells_changes());
}

}  // namespace
}  // namespace dlock::redis
