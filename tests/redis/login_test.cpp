// Logging in: over every kind of socket, as every kind of user, and every way to fail.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <filesystem>
#include <optional>

#include "redis/connecting.hpp"
#include "support/fake_peer.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace dlock::redis {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Not a legal name, so that no name server is asked.
const std::string no_such_host(100, 'x');

TEST(Login, GoesOverTcpAndKnowsItsId) {
  const test::RedisServer server;
  const auto connection = connect(server.url());
  EXPECT_EQ(connection->call({"CLIENT", "ID"}, 10s).text, std::to_string(connection->id()));
  EXPECT_THAT(connection->call({"CLIENT", "INFO"}, 10s).text,
              testing::AllOf(HasSubstr("name=dlock:0123"), HasSubstr("resp=3"), HasSubstr("db=0")));
}

TEST(Login, GoesOverAUnixSocketAndSelectsItsDatabase) {
  const test::RedisServer server;
  const auto connection = connect(server.unix_url() + "?db=3");
  EXPECT_THAT(connection->call({"CLIENT", "INFO"}, 10s).text, HasSubstr("db=3"));
}

TEST(Login, SetsTheOptionsOfItsSocket) {
  const test::RedisServer server;
  const auto connection = connect(server.url());
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ASSERT_EQ(::getsockopt(connection->fd(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
  EXPECT_NE(no_delay, 0);
  EXPECT_NE(::fcntl(connection->fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(connection->fd(), F_GETFL) & O_NONBLOCK, 0);
  const auto unix_connection = connect(server.unix_url());
  EXPECT_NE(::fcntl(unix_connection->fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(unix_connection->fd(), F_GETFL) & O_NONBLOCK, 0);
}

bool localhost_has(int family) {
  addrinfo hints{};
  hints.ai_family = family;
  addrinfo* list = nullptr;
  if (::getaddrinfo("localhost", nullptr, &hints, &list) != 0) return false;
  ::freeaddrinfo(list);
  return true;
}

TEST(Login, FindsAServerThatListensOnIpv4Alone) {
  const test::RedisServer server{{.config = {"bind 127.0.0.1"}}};
  const auto port = std::to_string(server.port());
  EXPECT_NO_THROW((void)connect("redis://127.0.0.1:" + port));
  EXPECT_NO_THROW((void)connect("redis://localhost:" + port));
}

TEST(Login, FindsAServerThatListensOnIpv6Alone) {
  std::optional<test::RedisServer> server;
  try {
    server.emplace(test::RedisServer::Options{.config = {"bind ::1"}});
  } catch (const std::runtime_error&) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
  const auto port = std::to_string(server->port());
  EXPECT_NO_THROW((void)connect("redis://[::1]:" + port));
  if (localhost_has(AF_INET6)) {
    EXPECT_NO_THROW((void)connect("redis://localhost:" + port));
  }
}

TEST(Login, ReachesASocketWhosePathIsLongerThanAnAddressHolds) {
  const test::RedisServer server;
  auto directory = server.directory();
  for (int i = 0; i < 10; ++i) directory /= std::string(100, 'd');
  std::filesystem::create_directories(directory);
  std::filesystem::create_symlink(server.socket_path(), directory / "s");
  const auto connection = connect("redis+unix://" + (directory / "s").string());
  EXPECT_EQ(connection->call({"PING"}, 10s).text, "PONG");
}

TEST(Login, TakesAPasswordAlone) {
  const test::RedisServer server;
  server.command({"CONFIG", "SET", "requirepass", "s3cret"});
  auto settings = settings_for(server.unix_url());
  EXPECT_EQ(failure_of(settings).code, errc::refused);
  EXPECT_THAT(failure_of(settings).what, HasSubstr("wants a password"));
  settings.endpoint.password = "wr0ng";
  EXPECT_EQ(failure_of(settings).code, errc::refused);
  EXPECT_THAT(failure_of(settings).what, HasSubstr("does not accept"));
  settings.endpoint.password = "s3cret";
  EXPECT_EQ(Connection::open(settings)->call({"ACL", "WHOAMI"}, 10s).text, "default");
}

TEST(Login, TakesAUser) {
  const test::RedisServer server;
  server.command({"ACL", "SETUSER", "alice", "on", ">p@/:%", "~*", "&*", "+@all"});
  auto url = server.url();
  url.insert(url.find("//") + 2, "alice:p%40%2F%3A%25@");
  EXPECT_EQ(connect(url)->call({"ACL", "WHOAMI"}, 10s).text, "alice");
}

TEST(Login, NoErrorShowsThePassword) {
  const test::RedisServer server;
  for (auto url : {server.url() + "/99", server.url(), std::string{"redis://127.0.0.1:1"},
                   "redis://" + no_such_host}) {
    url.insert(url.find("//") + 2, "bob:s3cret@");
    const auto failure = failure_of(url);
    EXPECT_NE(failure.what, "");
    EXPECT_EQ(failure.what.find("s3cret"), std::string::npos) << failure.what;
    EXPECT_THAT(failure.what, HasSubstr("redis://bob@"));
  }
}

TEST(Login, ADatabaseOutOfRangeIsTheCallersMistake) {
  const test::RedisServer server;
  EXPECT_EQ(failure_of(server.url() + "/99").code, errc::usage);
  EXPECT_THAT(failure_of(server.url() + "/99").what, HasSubstr("no database 99"));
}

TEST(Login, AUserWithoutSelectIsRefused) {
  const test::RedisServer server;
  server.command({"ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all", "-select"});
  auto url = server.unix_url() + "?db=1";
  url.insert(url.find("//") + 2, "u:x@");
  EXPECT_EQ(failure_of(url).code, errc::refused);
  EXPECT_THAT(failure_of(url).what, HasSubstr("+select"));
}

TEST(Login, AFullServerIsUnusable) {
  const test::RedisServer server{{.config = {"maxclients 1"}}};
  // The server's own check may still count its last client: ask until ours is in.
  std::unique_ptr<Connection> only;
  ASSERT_TRUE(test::eventually([&] {
    try {
      only = connect(server.unix_url());
      return true;
    } catch (const StoreUnusable&) {
      return false;
    }
  }));
  EXPECT_EQ(failure_of(server.unix_url()).code, errc::store_unusable);
  EXPECT_THAT(failure_of(server.unix_url()).what, HasSubstr("maxclients"));
}

TEST(Login, AServerThatIsStillLoadingLetsUsIn) {
  const test::RedisServer server{{.config = {"enable-debug-command yes", "key-load-delay 1000",
                                             "loading-process-events-interval-bytes 1024"}}};
  server.command({"DEBUG", "POPULATE", "5000"});
  const auto loader = connect(server.unix_url());
  append(*loader, {"DEBUG", "RELOAD"});
  ASSERT_TRUE(loader->flush());
  EXPECT_TRUE(test::eventually([&] {
    const auto reply = connect(server.unix_url())->call({"GET", "k"}, 10s);
    return reply.kind == ReplyView::Kind::error && classify(reply.text).code == errc::loading;
  }));
}

TEST(Login, NobodyThereIsUnreachable) {
  EXPECT_EQ(failure_of("redis://127.0.0.1:1").code, errc::unreachable);
  EXPECT_THAT(failure_of("redis://127.0.0.1:1").what, HasSubstr("check that the server runs"));
  EXPECT_EQ(failure_of("redis+unix:///no/such/socket").code, errc::unreachable);
  EXPECT_EQ(failure_of("redis+unix:///no/such/" + std::string(200, 'x')).code, errc::unreachable);
  EXPECT_EQ(failure_of("redis://" + no_such_host).code, errc::unreachable);
  EXPECT_THAT(failure_of("redis://" + no_such_host).what, HasSubstr("resolved"));
}

TEST(Login, AnErrorDoesNotRepeatTheMessageOfItsCode) {
  const auto failure = failure_of("redis://127.0.0.1:1");
  EXPECT_THAT(failure.what, Not(HasSubstr(make_error_code(errc::unreachable).message())));
}

TEST(Login, APeerThatHangsUpIsUnreachable) {
  const test::FakePeer peer{""};
  const auto failure = failure_of(peer.url());
  EXPECT_EQ(failure.code, errc::unreachable);
  EXPECT_THAT(failure.what, HasSubstr("during log-in"));
}

TEST(Login, APeerThatSpeaksHttpIsUnreachable) {
  const test::FakePeer peer{"HTTP/1.1 400 Bad Request\r\n\r\n"};
  const auto failure = failure_of(peer.url());
  EXPECT_EQ(failure.code, errc::unreachable);
  EXPECT_THAT(failure.what, HasSubstr("does not speak Redis's protocol"));
}

TEST(Login, ATlsAlertIsUnreachable) {
  const test::FakePeer peer{std::string{"\x15\x03\x01\x00\x02\x02\x0a", 7}};
  const auto failure = failure_of(peer.url());
  EXPECT_EQ(failure.code, errc::unreachable);
  EXPECT_THAT(failure.what, HasSubstr("TLS"));
}

TEST(Login, APeerThatNeverAnswersIsUnreachableInTime) {
  const test::FakePeer peer{"", test::FakePeer::Then::wait};
  auto settings = settings_for(peer.url());
  settings.connect_timeout = 50ms;
  const auto start = std::chrono::steady_clock::now();
  const auto failure = failure_of(settings);
  EXPECT_EQ(failure.code, errc::unreachable);
  EXPECT_THAT(failure.what, HasSubstr("in time"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(Login, AServerThatIsTooOldOrOfTheWrongKindIsUnusable) {
  const auto map = [](const std::string& version, const std::string& mode) {
    return "%4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n+" + version +
           "\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n+" + mode + "\r\n";
  };
  const std::pair<std::string, std::string_view> cases[] = {
      {map("6.2.14", "standalone"), "6.2.14"},
      {map("weird", "standalone"), "weird"},
      {map("7.2.4", "sentinel"), "Sentinel"},
      {"-ERR max number of clients reached\r\n", "maxclients"},
      {"-MISCONF x\r\n", "disk"},
  };
  for (const auto& [answer, word] : cases) {
    const test::FakePeer peer{answer, test::FakePeer::Then::wait};
    const auto failure = failure_of(peer.url());
    EXPECT_EQ(failure.code, errc::store_unusable) << answer;
    EXPECT_THAT(failure.what, HasSubstr(std::string{word}));
  }
  const test::FakePeer good{map("8.1.0", "standalone") + "-NOSCRIPT x\r\n",
                            test::FakePeer::Then::wait};
  EXPECT_EQ(connect(good.url())->id(), 7);
}

TEST(Login, IsWaitedFor) {
  const test::RedisServer server;
  server.command({"CLIENT", "PAUSE", "20", "ALL"});  // HELLO has to wait, too
  const auto connection = connect(server.unix_url());
  Recorder recorder;
  append(*connection, {"PING"});
  ASSERT_TRUE(run(*connection, recorder, [&] { return recorder.replies == 1; }));
  EXPECT_THAT(recorder.events, ElementsAre("PONG"));
}

}  // namespace
}  // namespace dlock::redis
