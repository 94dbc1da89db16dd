// Lifetimes: clients, locks and leases may go in any order, also all at once when a process exits.
#include <dirent.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <future>
#include <iterator>
#include <latch>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "support/client_fixture.hpp"
#include "support/forked.hpp"

namespace dlock::test {

namespace {

std::ptrdiff_t count_entries(const char* directory) {
  return std::distance(std::filesystem::directory_iterator{directory}, {});
}

class Lifetime : public ClientTest {
 protected:
  [[nodiscard]] int connections() const {
    const auto list = server.command({"CLIENT", "LIST"});
    int count = 0;
    for (auto at = list.find("name=dlock:"); at != std::string::npos; ++count) {
      at = list.find("name=dlock:", at + 1);
    }
    return count;
  }
  /// The keys by which clients are registered.
  [[nodiscard]] std::vector<std::string> registered() const {
    std::vector<std::string> found;
    std::istringstream lines{server.command({"KEYS", "dlock1:client:*"})};
    for (std::string line; std::getline(lines, line);) found.push_back(line);
    return found;
  }
};

// A thread that is about to drop the last reference may do so only after the end of main().
TEST_F(Lifetime, AClientThatIsDestroyedIsNoLongerRegisteredWhoeverStillRefersToIt) {
  std::optional<Client> client{std::in_place, server.url()};
  Mutex{*client, "m"}.acquire().release();
  EXPECT_EQ(registered().size(), 1U);
  const auto kept = client->state();
  client.reset();
  EXPECT_TRUE(eventually([&] { return registered().empty(); }));
}

TEST_F(Lifetime, ALeaseOutlivesItsClientAndIsRenewed) {
  std::optional<Client> client{std::in_place, server.url()};
  Client there{server.url()};
  auto lease = Mutex{*client, "m", {.ttl = 300ms}}.acquire();
  client.reset();
  const auto end = SteadyClock::now() + 4 * 300ms;
  ASSERT_TRUE(eventually([&] { return SteadyClock::now() >= end || !lease.held(); }));
  lease.ensure_held();
  EXPECT_TRUE(holds("m", lease));
  auto next = std::async(std::launch::async, [&] { (void)DistributedLock{there, "m"}; });
  ASSERT_TRUE(come_to_wait("m", 1));
  lease.release();
  EXPECT_EQ(next.wait_for(20s), std::future_status::ready);
}

TEST_F(Lifetime, ALossIsToldAlsoWhenTheClientIsGone) {
  std::optional<Client> client{std::in_place, server.url()};
  const auto lease = Mutex{*client, "m", {.ttl = 300ms}}.acquire();
  client.reset();
  server.command({"DEL", "m"});
  EXPECT_TRUE(eventually([&] { return lease.lost().stop_requested(); }));
  EXPECT_THROW(lease.ensure_held(), LockLost);
}

TEST_F(Lifetime, TheEndOfAClientEndsItsWaits) {
  std::optional<Client> client{std::in_place, server.url()};
  Client there{server.url()};
  const DistributedLock held{there, "m"};
  Mutex mutex{*client, "m"};
  auto one = std::async(std::launch::async, [&] { (void)mutex.acquire(); });
  auto two = std::async(std::launch::async, [&] { (void)mutex.try_acquire_for(1h); });
  ASSERT_TRUE(come_to_wait("m", 1));
  client.reset();
  ASSERT_EQ(one.wait_for(20s), std::future_status::ready);
  EXPECT_THROW(one.get(), Cancelled);
  EXPECT_THROW(two.get(), Cancelled);
  EXPECT_TRUE(eventually([&] { return waiting("m") == 0; }));
  EXPECT_THROW((void)mutex.acquire(), Cancelled);
  EXPECT_THROW((void)mutex.try_acquire(), Cancelled);
}

TEST_F(Lifetime, AClientThatNeverDidAnythingDoesNotConnect) {
  {
    Client client{server.url()};
    Mutex mutex{client, "m"};
    EXPECT_EQ(connections(), 0);
    EXPECT_EQ(client.stats().commands, 0U);
  }
  Client nowhere{"redis://127.0.0.1:1"};
}

TEST_F(Lifetime, AMovedClientIsTheSameClient) {
  Client first{server.url()};
  Mutex mutex{first, "m"};
  auto lease = mutex.acquire();
  Client second{std::move(first)};
  EXPECT_EQ(second.stats().acquired, 1U);
  lease.ensure_held();
  EXPECT_FALSE((Mutex{second, "m"}.try_acquire()));
  Client third{server.url()};
  const DistributedLock other{third, "other"};
  third = std::move(second);  // ends the former third, whose lease lives on
  EXPECT_EQ(third.stats().acquired, 1U);
  other.ensure_held();
  EXPECT_TRUE(holds("other", other));
}

TEST_F(Lifetime, NobodyWaitsLongForAConnectionThatDoesNotCome) {
  const ClientOptions options{.connect_timeout = 30s, .request_timeout = 200ms};
  std::optional<Client> client{std::in_place, server.url(), options};
  std::optional<Lease> lease{Mutex{*client, "m"}.acquire()};
  server.stop();
  std::stop_source stop;
  auto waits = std::async(std::launch::async, [&] {
    return reason_of([&] { (void)Mutex{*client, "other"}.acquire(stop.get_token()); });
  });
  // The request times out, and a connection is tried that nobody answers.
  ASSERT_TRUE(eventually([&] { return client->stats().commands > 4; }));
  const auto begin = SteadyClock::now();
  EXPECT_EQ(reason_of([&] { (void)Mutex{*client, "third"}.try_acquire_for(500ms); }),
            errc::unreachable);
  stop.request_stop();
  EXPECT_EQ(waits.get(), errc::cancelled);
  lease.reset();
  client.reset();
  EXPECT_LT(SteadyClock::now() - begin, 15s) << "half of the connect timeout";
  server.cont();
  server.command({"FLUSHALL"});
}

TEST_F(Lifetime, ManyLeasesWaitOnceForAServerThatHangs) {
  const ClientOptions options{.request_timeout = 500ms};
  std::optional<Client> client{std::in_place, server.url(), options};
  std::vector<Lease> leases;
  std::deque<Mutex> mutexes;
  for (int i = 0; i < 20; ++i) {
    leases.push_back(Mutex{*client, "lease" + std::to_string(i)}.acquire());
    mutexes.emplace_back(*client, "mutex" + std::to_string(i)).lock();
  }
  server.stop();
  const auto begin = SteadyClock::now();
  leases.clear();
  for (auto& mutex : mutexes) mutex.unlock();
  mutexes.clear();
  client.reset();
  EXPECT_LT(SteadyClock::now() - begin, 20 * 500ms) << "half of what they take one by one";
  server.cont();
  server.command({"FLUSHALL"});
}

TEST_F(Lifetime, AReleaseIsAnsweredAgainOnceTheServerAnswers) {
  Client client{server.url(), {.request_timeout = 200ms}};
  auto first = Mutex{client, "first", {.ttl = 1h}}.acquire();
  auto second = Mutex{client, "second", {.ttl = 1h}}.acquire();
  server.stop();
  EXPECT_THROW(first.release(), Unreachable);
  EXPECT_THROW(second.release(), Unreachable) << "at once, and repeated";
  server.cont();
  EXPECT_TRUE(eventually([&] { return is_free("first") && is_free("second"); }));
  auto third = Mutex{client, "third"}.acquire();
  EXPECT_NO_THROW(third.release());
}

TEST_F(Lifetime, AClientDoesNotWaitLongForASinkThatTakesLong) {
  std::promise<void> go_on;
  auto gone_on = go_on.get_future().share();
  const auto sink = [gone_on](LogLevel, std::string_view) { gone_on.wait(); };
  {
    Client client{"redis://127.0.0.1:1", {.request_timeout = 200ms, .log = sink}};
    EXPECT_EQ(reason_of([&] { (void)Mutex{client, "m"}.try_lock(); }), errc::unreachable);
  }
  go_on.set_value();  // only now: the client was not waiting for it
}

TEST_F(Lifetime, ManyClientsLiveInOneProcess) {
  const auto threads = count_entries("/proc/self/task");
  const auto are_over = [&] { return count_entries("/proc/self/task") <= threads; };
  {
    const DistributedLock first{*std::make_unique<Client>(server.url()), "m"};
  }
  // The thread that connected has descriptors too, and may go later than the client.
  ASSERT_TRUE(eventually(are_over));
  const auto descriptors = count_entries("/proc/self/fd");
  ASSERT_TRUE(eventually([&] { return connections() == 0; }));
  {
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<Lease> leases;
    for (int i = 0; i < 40; ++i) {
      clients.push_back(std::make_unique<Client>(server.url()));
      leases.push_back(Mutex{*clients.back(), "m" + std::to_string(i)}.acquire());
      EXPECT_FALSE((Mutex{*clients.back(), "m0"}.try_lock()));
    }
    EXPECT_EQ(connections(), 40);
  }
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
  EXPECT_TRUE(eventually(are_over));
  EXPECT_EQ(count_entries("/proc/self/fd"), descriptors);
}

TEST_F(Lifetime, ManyLeasesNeedNoThreadOfTheirOwn) {
  Client client{server.url()};
  std::vector<Lease> leases{};
  leases.push_back(Mutex{client, "first", {.ttl = 2s}}.acquire());
  const auto threads = count_entries("/proc/self/task");
  for (int i = 0; i < 500; ++i) {
    leases.push_back(Mutex{client, "m" + std::to_string(i), {.ttl = 2s}}.acquire());
  }
  EXPECT_LE(count_entries("/proc/self/task"), threads) << "the one that connected may have gone";
  EXPECT_EQ(connections(), 1);
  const auto before = client.stats();
  EXPECT_TRUE(eventually([&] { return client.stats().renewals >= before.renewals + 501; }));
  EXPECT_LT(client.stats().commands, before.commands + 50) << "renewals go in batches";
  EXPECT_TRUE(std::ranges::all_of(leases, &Lease::held));
}

TEST_F(Lifetime, HandlesGoInAnyOrderWhileThreadsWait) {
  std::mt19937 random{7};
  for (int round = 0; round < 30; ++round) {
    std::vector<std::optional<Client>> clients(3);
    for (auto& client : clients) client.emplace(server.url());
    std::vector<Lease> leases;
    leases.push_back(Mutex{*clients[0], "m"}.acquire());
    std::latch begun{3};
    std::vector<std::jthread> threads;
    for (auto& client : clients) {
      threads.emplace_back([&, mutex = std::make_shared<Mutex>(*client, "m")] {
        begun.count_down();
        const auto reason = reason_of([&] { (void)mutex->acquire(); });
        EXPECT_TRUE(reason == errc{} || reason == errc::cancelled) << static_cast<int>(reason);
      });
    }
    begun.wait();
    std::vector<int> order{0, 1, 2, 3};
    std::ranges::shuffle(order, random);
    for (const int which : order) {
      if (which == 3) {
        leases.clear();
      } else {
        clients[which].reset();
      }
    }
  }
}

TEST_F(Lifetime, AProcessExitsAtOnceWithLocksHeldAndThreadsWaiting) {
  std::optional<Client> there{std::in_place, server.url()};
  std::optional<Lease> held{Mutex{*there, "taken"}.acquire()};
  const auto begin = SteadyClock::now();
  Forked child{[&] {
    static Client client{server.url()};
    static const DistributedLock lock{client, "static", {.ttl = 60s}};
    static auto* const leaked = new Lease{Mutex{client, "leaked", {.ttl = 500ms}}.acquire()};
    EXPECT_TRUE(leaked->held());
    static auto& mutex = *new Mutex{client, "taken"};  // a thread may begin to wait after the end
    for (int i = 0; i < 2; ++i) {
      std::thread{[] { (void)reason_of([] { (void)mutex.acquire(); }); }}.detach();
    }
    (void)come_to_wait("taken", 1);
    std::exit(7);
    return 0;
  }};
  EXPECT_EQ(child.wait(), 7);
  EXPECT_LT(SteadyClock::now() - begin, 15s);
  EXPECT_TRUE(is_free("static")) << "its destructor ran";
  EXPECT_TRUE(eventually([&] { return waiting("taken") == 0; }));
  EXPECT_TRUE((Mutex{*there, "leaked"}.try_acquire_for(20s))) << "after its ttl";
  held.reset();
  there.reset();
  for (const auto& client : registered()) server.command({"DEL", client});  // its client leaked too
}

}  // namespace

}  // namespace dlock::test
