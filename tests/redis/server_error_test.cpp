// Error replies: real ones of a real server, and what each is called.
#include <gtest/gtest.h>

#include "redis/connection.hpp"
#include "support/redis_server.hpp"

namespace dlock::redis {
namespace {

using namespace std::chrono_literals;

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::unique_ptr<Connection> connect(const test::RedisServer& server, std::string_view user = {}) {
  auto endpoint = parse_url(server.unix_url());
  if (!user.empty()) {
    endpoint.user = user;
    endpoint.password = "p";
  }
  return Connection::open({endpoint, "dlock:test", 10s});
}

// The server's error reply to a command, and its classification.
ServerError error_of(Connection& connection, std::initializer_list<std::string_view> fields) {
  const auto reply = connection.call(fields, 10s);
  EXPECT_EQ(reply.kind, ReplyView::Kind::error) << reply.text;
  auto error = classify(reply.text);
  EXPECT_TRUE(mentions(error.what, ";")) << "says what to do: " << error.what;
  return error;
}

constexpr std::string_view set_script = "return redis.call('SET', KEYS[1], 'x')";
constexpr std::string_view set_script_with_flags = "#!lua\nreturn redis.call('SET', KEYS[1], 'x')";

void expect_for_each_way_to_write(Connection& connection, errc code) {
  EXPECT_EQ(error_of(connection, {"SET", "k", "x"}).code, code);
  EXPECT_EQ(error_of(connection, {"EVAL", set_script, "1", "k"}).code, code);
  EXPECT_EQ(error_of(connection, {"EVAL", set_script_with_flags, "1", "k"}).code, code);
}

TEST(ServerErrors, AReadOnlyReplicaIsCalledReadOnly) {
  const test::RedisServer server;
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  const auto connection = connect(server);
  expect_for_each_way_to_write(*connection, errc::read_only);
}

TEST(ServerErrors, AReplicaWithoutItsPrimaryIsUnusable) {
  const test::RedisServer server;
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  server.command({"CONFIG", "SET", "replica-serve-stale-data", "no"});
  const auto connection = connect(server);
  const auto error = error_of(*connection, {"GET", "k"});
  EXPECT_EQ(error.code, errc::store_unusable);
  EXPECT_TRUE(mentions(error.what, "primary")) << error.what;
}

TEST(ServerErrors, AFullServerIsOutOfMemory) {
  const test::RedisServer server;
  server.command({"CONFIG", "SET", "maxmemory", "1"});
  const auto connection = connect(server);
  expect_for_each_way_to_write(*connection, errc::out_of_memory);
}

TEST(ServerErrors, TooFewReplicasAreNamed) {
  const test::RedisServer server;
  server.command({"CONFIG", "SET", "min-replicas-to-write", "1"});
  const auto connection = connect(server);
  expect_for_each_way_to_write(*connection, errc::store_unusable);
  EXPECT_TRUE(mentions(error_of(*connection, {"SET", "k", "x"}).what, "min-replicas-to-write"));
}

TEST(ServerErrors, AKeyOfAnotherTypeIsNotALock) {
  const test::RedisServer server;
  server.command({"LPUSH", "k", "x"});
  const auto connection = connect(server);
  EXPECT_EQ(error_of(*connection, {"GET", "k"}).code, errc::not_a_lock);
  EXPECT_EQ(error_of(*connection, {"EVAL", "return redis.call('GET', KEYS[1])", "1", "k"}).code,
            errc::not_a_lock);
}

TEST(ServerErrors, AMissingScriptAndAnUnknownCommandAreNamed) {
  const test::RedisServer server;
  const auto connection = connect(server);
  const auto missing =
      error_of(*connection, {"EVALSHA", "0123456789012345678901234567890123456789", "0"});
  EXPECT_EQ(missing.code, errc::store_unusable);
  const auto unknown = error_of(*connection, {"SPUBLISHED", "a", "b"});
  EXPECT_EQ(unknown.code, errc::store_unusable);
  EXPECT_TRUE(mentions(unknown.what, "SPUBLISHED")) << unknown.what;
}

TEST(ServerErrors, ABusyServerIsUnusable) {
  const test::RedisServer server{{.config = {"lua-time-limit 1"}}};
  const auto stuck = connect(server);
  stuck->append(std::initializer_list<std::string_view>{"EVAL", "while true do end", "0"});
  ASSERT_TRUE(stuck->flush());
  const auto connection = connect(server);
  Reply reply;
  do {  // until the server has noticed how long the script takes
    reply = connection->call({"GET", "k"}, 10s);
  } while (reply.kind != ReplyView::Kind::error);
  EXPECT_EQ(classify(reply.text).code, errc::store_unusable);
  EXPECT_TRUE(mentions(classify(reply.text).what, "a long script"));
  server.command({"SCRIPT", "KILL"});
}

class MissingRights : public testing::Test {
 protected:
  // A user that may do everything but what `rules` take away.
  std::unique_ptr<Connection> user_with(std::initializer_list<std::string_view> rules) {
    std::vector<std::string_view> command{"ACL", "SETUSER", "u",  "reset", "on",
                                          ">p",  "~*",      "&*", "+@all"};
    command.insert(command.end(), rules.begin(), rules.end());
    server_.command(command);
    return connect(server_, "u");
  }

  test::RedisServer server_;
};

void expect_refused(const ServerError& error, std::string_view grant) {
  EXPECT_EQ(error.code, errc::refused);
  EXPECT_TRUE(mentions(error.what, grant)) << error.what;
}

TEST_F(MissingRights, AForbiddenCommandIsNamedWithItsGrant) {
  const auto connection = user_with({"-evalsha", "-client|kill"});
  expect_refused(error_of(*connection, {"EVALSHA", "00", "0"}), "+evalsha");
  expect_refused(error_of(*connection, {"CLIENT", "KILL", "ID", "1"}), "+client|kill");
}

TEST_F(MissingRights, AForbiddenCommandInsideAScriptIsRefusedToo) {
  const auto connection = user_with({"-set"});
  expect_refused(error_of(*connection, {"EVAL", set_script, "1", "k"}), "+@write");
}

TEST_F(MissingRights, AForbiddenKeyIsToldFromAForbiddenCommand) {
  const auto connection = user_with({"resetkeys", "~other"});
  expect_refused(error_of(*connection, {"GET", "k"}), "~*");
  expect_refused(error_of(*connection, {"EVAL", "return redis.call('GET', 'k')", "0"}), "~*");
}

TEST_F(MissingRights, AForbiddenChannelIsToldFromAForbiddenKey) {
  const auto connection = user_with({"resetchannels"});
  expect_refused(error_of(*connection, {"SSUBSCRIBE", "dlock1:c:1"}), "&dlock1:*");
  expect_refused(error_of(*connection, {"SPUBLISH", "dlock1:c:1", "x"}), "&dlock1:*");
  expect_refused(
      error_of(*connection, {"EVAL", "return redis.call('SPUBLISH', 'dlock1:c:1', 'x')", "0"}),
      "&dlock1:*");
}

TEST_F(MissingRights, AProblemThatAScriptPassesOnIsStillRecognised) {
  const auto connection = user_with({"resetchannels"});
  const auto reply =
      connection->call({"EVAL", "return redis.pcall('SPUBLISH', 'dlock1:c:1', 'x').err", "0"}, 10s);
  expect_refused(classify(reply.text), "&dlock1:*");
}

TEST(ServerErrors, TheWordsOfNewerServersAreKnownToo) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"NOPERM User u has no permissions to run the 'evalsha' command", "+evalsha"},
      {"NOPERM No permissions to access a key", "~*"},
      {"NOPERM No permissions to access a channel", "&dlock1:*"},
      {"ERR ACL failure in script: User u has no permissions to run the 'set' command script: 00",
       "+set"},
      {"ERR ACL failure in script: No permissions to access a channel script: 00", "&dlock1:*"},
  };
  for (const auto& [reply, grant] : cases) expect_refused(classify(reply), grant);
}

TEST(ServerErrors, StatesThatAreHardToReachAreCalledByTheirNames) {
  const std::tuple<std::string_view, errc, std::string_view> cases[] = {
      {"LOADING Redis is loading the dataset in memory", errc::loading, "loading"},
      {"NOAUTH Authentication required.", errc::refused, "password"},
      {"WRONGPASS invalid username-password pair or user is disabled.", errc::refused, "URL"},
      {"DENIED Redis is running in protected mode", errc::refused, "protected"},
      {"MISCONF Redis is configured to save RDB snapshots", errc::store_unusable, "disk"},
      {"MOVED 3999 127.0.0.1:6381", errc::store_unusable, "cluster"},
      {"ASK 3999 127.0.0.1:6381", errc::store_unusable, "cluster"},
      {"TRYAGAIN Multiple keys request during rehashing of slot", errc::store_unusable, "cluster"},
      {"CROSSSLOT Keys in request don't hash to the same slot", errc::store_unusable, "cluster"},
      {"CLUSTERDOWN Hash slot not served", errc::store_unusable, "cluster"},
      {"EXECABORT Transaction discarded because of previous errors.", errc::store_unusable,
       "transaction"},
      {"ERR max number of clients reached", errc::store_unusable, "maxclients"},
      {"ERR something else", errc::store_unusable, "something else"},
      {"", errc::store_unusable, "error"},
  };
  for (const auto& [reply, code, word] : cases) {
    EXPECT_EQ(classify(reply).code, code) << reply;
    EXPECT_TRUE(mentions(classify(reply).what, word)) << classify(reply).what;
  }
}

TEST(ServerErrors, AnEndlessReplyIsCut) {
  EXPECT_LT(classify("ERR " + std::string(100'000, 'x')).what.size(), 400U);
}

}  // namespace
}  // namespace dlock::redis
