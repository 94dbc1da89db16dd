// A destructor, a stop token or a limit ends a call at once, also while the client connects to a
// silent server or waits for a silent name server.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

#include "election/told.hpp"
#include "session/relay.hpp"
#include "support/client_fixture.hpp"
#include "support/rights.hpp"

namespace dlock::test {
namespace {

// A request timeout, and a connect timeout that nobody is to wait for.
const ClientOptions options{.connect_timeout = 60s, .request_timeout = 200ms, .patience = 1s};
constexpr auto bound = 15s;  // many times what it takes, and much less than the connect timeout

class Stopwatch {
 public:
  [[nodiscard]] bool is_in_time() const { return SteadyClock::now() - begin_ < bound; }

 private:
  const SteadyClock::time_point begin_ = SteadyClock::now();
};

/// A port whose listener takes no more connections: what asks for one gets no answer at all.
class FullPort {
 public:
  FullPort() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const int listener = open();
    EXPECT_EQ(::bind(listener, generic, size), 0);
    EXPECT_EQ(::listen(listener, 0), 0);
    EXPECT_EQ(::getsockname(listener, generic, &size), 0);
    port = ntohs(address.sin_port);
    for (int i = 0; i < 3; ++i) (void)::connect(open(), generic, size);
  }
  ~FullPort() {
    for (const int socket : sockets_) ::close(socket);
  }
  FullPort(const FullPort&) = delete;
  FullPort& operator=(const FullPort&) = delete;

  int port = 0;

 private:
  int open() {
    return sockets_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  }
  std::vector<int> sockets_;
};

enum class Silence { port, server, names, quorum, cluster };

/// Where nobody answers who connects.
class Silent : public testing::TestWithParam<Silence> {
 protected:
  [[nodiscard]] std::string url() const {
    const auto full = "127.0.0.1:" + std::to_string(port_.port);
    const auto stopped = "127.0.0.1:" + std::to_string(relay_.port());
    switch (GetParam()) {
      case Silence::port:
        return "redis://" + full;
      case Silence::server:
        return "redis://" + stopped;
      case Silence::names:
        return "redis://silent.invalid";  // see slow_names_test.cpp
      case Silence::quorum:
        return "redis+quorum://" + full + "," + stopped + ",silent.invalid:1";
      case Silence::cluster:
        return "redis+cluster://" + stopped + "," + full;
    }
    return {};
  }
  void SetUp() override { relay_.accept_no_more(); }

 private:
  FullPort port_;
  Relay relay_{1};
};

TEST_P(Silent, KeepsNoObserverAndNoWatch) {
  std::optional<Client> client{std::in_place, url(), options};
  Election election{*client, "e"};
  const Stopwatch watch;
  {
    auto observer = election.observe();
    EXPECT_EQ(told(observer.next_for(1ms)), "nothing");
    EXPECT_EQ(told(observer.next_for(50ms)), "nothing");
    std::stop_source stop;
    auto waits = std::async(std::launch::async, [&] {
      return reason_of([&] { (void)observer.next(stop.get_token()); });
    });
    EXPECT_EQ(waits.wait_for(50ms), std::future_status::timeout);
    stop.request_stop();
    EXPECT_EQ(waits.get(), errc::cancelled);
    EXPECT_EQ(reason_of([&] { (void)observer.next(); }), errc::unreachable);
  }
  {
    const auto gone = election.observe([](const LeaderChange&) {});
  }
  const auto ends_with_it = election.observe([](const LeaderChange&) {});
  client.reset();
  EXPECT_TRUE(watch.is_in_time());
}

TEST_P(Silent, KeepsNoWaitAndNoClient) {
  std::optional<Client> client{std::in_place, url(), options};
  const Stopwatch watch;
  std::stop_source stop;
  auto waits = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)Mutex{*client, "m"}.acquire(stop.get_token()); });
  });
  auto campaigns = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)Election{*client, "e"}.campaign("v", stop.get_token()); });
  });
  EXPECT_FALSE((Mutex{*client, "m"}.try_acquire_for(1ms)));
  Mutex{*client, "m"}.async_acquire([](AcquireResult) {});
  stop.request_stop();
  EXPECT_EQ(waits.get(), errc::cancelled);
  EXPECT_EQ(campaigns.get(), errc::cancelled);
  client.reset();
  EXPECT_TRUE(watch.is_in_time());
}

INSTANTIATE_TEST_SUITE_P(Places, Silent,
                         testing::Values(Silence::port, Silence::server, Silence::names,
                                         Silence::quorum, Silence::cluster));

TEST(SilentNames, KeepALookFromTheSideNoLongerThanTheConnectTimeout) {
  Client client{"redis://silent.invalid", {.connect_timeout = 200ms}};
  const Stopwatch watch;
  EXPECT_THAT(words_of([&] { (void)inspect_lock(client, "m"); }), HasSubstr("host name"));
  EXPECT_EQ(reason_of([&] { (void)list_locks(client); }), errc::unreachable);
  EXPECT_EQ(reason_of([&] { (void)Election{client, "e"}.leader(); }), errc::unreachable);
  EXPECT_EQ(reason_of([&] { (void)check_up(client); }), errc::unreachable);
  EXPECT_TRUE(watch.is_in_time());  // the resolver takes 20 s
}

/// The connections that there are go on, and who makes another gets no answer.
class SideConnection : public ClientTest {
 protected:
  void TearDown() override {}
  [[nodiscard]] std::string url() const {
    return "redis://127.0.0.1:" + std::to_string(relay.port());
  }
  [[nodiscard]] bool has_caller() {
    return eventually([&] { return relay.has_caller(); });
  }
  /// Ends those beside the shared one.
  void end_side_connections() {
    std::istringstream clients{server.command({"CLIENT", "LIST"})};
    for (std::string line; std::getline(clients, line);) {
      if (line.find(":inspect ") == std::string::npos) continue;
      server.command({"CLIENT", "KILL", "ID", line.substr(3, line.find(' ') - 3)});
    }
  }

  Relay relay{server.port()};
  std::optional<Client> client{std::in_place, url(), options};
};

TEST_F(SideConnection, ForDeadlocksKeepsNoClient) {
  Client there{server.url()};
  const auto taken = Mutex{there, "taken"}.acquire();
  std::optional<Lease> held{Mutex{*client, "held"}.acquire()};
  relay.accept_no_more();
  std::stop_source stop;
  auto waits = std::async(std::launch::async, [&] {
    Mutex mine{*client, "mine"};
    const std::lock_guard lock{mine};
    return reason_of([&] { (void)Mutex{*client, "taken"}.acquire(stop.get_token()); });
  });
  ASSERT_TRUE(has_caller());
  const Stopwatch watch;
  stop.request_stop();
  EXPECT_EQ(waits.get(), errc::cancelled);
  held.reset();
  client.reset();
  EXPECT_TRUE(watch.is_in_time());
}

TEST_F(SideConnection, ForDeadlocksThatHangsKeepsNoClient) {
  Client there{server.url()};
  const auto taken = Mutex{there, "taken"}.acquire();
  auto waits = std::async(std::launch::async, [&] {
    Mutex mine{*client, "mine"};
    const std::lock_guard lock{mine};
    return reason_of([&] { (void)Mutex{*client, "taken"}.acquire(); });
  });
  ASSERT_TRUE(eventually(
      [&] { return server.command({"CLIENT", "LIST"}).find(":inspect ") != std::string::npos; }));
  server.stop();
  const Stopwatch watch;
  client.reset();
  EXPECT_EQ(waits.get(), errc::cancelled);
  EXPECT_TRUE(watch.is_in_time());
  server.cont();
}

TEST_F(SideConnection, ForReplicasKeepsNoWaitAndNoClient) {
  const LockOptions replicated{.min_replicas = 1, .replication_timeout = 1h};
  Mutex mutex{*client, "m", replicated};
  {
    const auto first = Mutex{*client, "first"}.acquire();
  }
  relay.accept_no_more();
  std::stop_source stop;
  auto waits = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)mutex.acquire(stop.get_token()); });
  });
  ASSERT_TRUE(has_caller());
  const Stopwatch watch;
  stop.request_stop();
  EXPECT_EQ(waits.get(), errc::cancelled);
  EXPECT_TRUE(eventually([&] { return is_free("m"); }));
  std::promise<errc> answered;
  Mutex{*client, "other", replicated}.async_acquire(
      [&](AcquireResult result) { answered.set_value(static_cast<errc>(result.error.value())); });
  EXPECT_TRUE(eventually([&] { return !is_free("other"); }));
  client.reset();
  EXPECT_EQ(answered.get_future().get(), errc::cancelled);
  EXPECT_TRUE(watch.is_in_time());
  EXPECT_TRUE(eventually([&] { return is_free("other"); }));
}

TEST_F(SideConnection, OfACandidateEndsByAStopToken) {
  {
    const auto first = Mutex{*client, "first"}.acquire();
  }
  relay.accept_no_more();
  Election election{*client, "e"};
  std::stop_source stop;
  auto campaigns = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)election.campaign("v", stop.get_token()); });
  });
  ASSERT_TRUE(has_caller());
  const Stopwatch watch;
  stop.request_stop();
  EXPECT_EQ(campaigns.get(), errc::cancelled);
  EXPECT_TRUE(watch.is_in_time());
  EXPECT_TRUE(eventually([&] { return is_free("e"); }));
}

TEST_F(SideConnection, OfALeaderDoesNotDelayItsResignation) {
  Election election{*client, "e", {.ttl = 2s}};
  std::optional<Leadership> leads{election.campaign("v")};
  relay.accept_no_more();
  end_side_connections();
  ASSERT_TRUE(has_caller());
  const Stopwatch watch;
  leads.reset();
  EXPECT_TRUE(watch.is_in_time());
  EXPECT_TRUE(eventually([&] { return is_free("e"); }));
  client.reset();
  EXPECT_TRUE(watch.is_in_time());
}

TEST_F(SideConnection, OfAConnectedWatchDoesNotDelayItsEnd) {
  Election election{*client, "e"};
  std::promise<void> told;
  std::optional<LeaderWatch> watches{
      election.observe([&](const LeaderChange&) { told.set_value(); })};
  told.get_future().get();
  relay.accept_no_more();
  end_side_connections();
  ASSERT_TRUE(has_caller());
  const Stopwatch watch;
  watches.reset();
  client.reset();
  EXPECT_TRUE(watch.is_in_time());
}

}  // namespace
}  // namespace dlock::test
