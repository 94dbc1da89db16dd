// What a client counts and measures, and what Prometheus reads of it.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "dlock/metrics.hpp"
#include "metrics/exposition.hpp"
#include "support/client_fixture.hpp"

namespace dlock::test {
namespace {

class Metrics : public ClientTest {
 protected:
  static const GroupStats& group(const Stats& stats, std::string_view name) {
    const auto found = std::ranges::find(stats.groups, name, &GroupStats::group);
    EXPECT_NE(found, stats.groups.end()) << name;
    return found == stats.groups.end() ? stats.groups.front() : *found;
  }
  static std::uint64_t acquisitions(const LockStats& stats, LeaseKind kind, AcquiredBy way) {
    return stats.acquisitions[static_cast<std::size_t>(kind)][static_cast<std::size_t>(way)];
  }
  static std::string before_colon(std::string_view name) {
    return std::string{name.substr(0, name.find(':'))};
  }
};

/// What `promtool check metrics` says of the text, and nothing if it likes it.
std::string verdict_of_promtool(const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("dlock-metrics-" + std::to_string(::getpid()) + ".txt");
  std::ofstream{path} << text;
  auto* const pipe = ::popen(("promtool check metrics < " + path.string() + " 2>&1").c_str(), "r");
  std::string said;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
  const int status = ::pclose(pipe);
  std::filesystem::remove(path);
  return status == 0 ? said : "status " + std::to_string(status) + ": " + said;
}

TEST_F(Metrics, LocksAreCountedByGroupKindAndWay) {
  std::atomic<int> calls{0};
  Client client{server.url(), {.group = [&calls](std::string_view name) {
                  ++calls;
                  return before_colon(name);
                }}};
  Mutex order{client, "order:1"};
  for (int i = 0; i < 5; ++i) order.acquire().release();
  EXPECT_EQ(calls, 1) << "not for each acquisition";
  SharedMutex document{client, "document:1"};
  Semaphore gpus{client, "gpu:1", 2};
  const auto reader = document.reader().acquire();
  const auto permits = gpus.permits(2).acquire();
  EXPECT_FALSE(gpus.permits(1).try_acquire_for(1ms));
  const auto both = acquire_all(client, {"order:2", "parcel:2"});
  const auto stats = client.stats();
  EXPECT_EQ(acquisitions(group(stats, "order"), LeaseKind::mutex, AcquiredBy::request), 6U);
  EXPECT_EQ(acquisitions(group(stats, "parcel"), LeaseKind::mutex, AcquiredBy::request), 1U);
  EXPECT_EQ(acquisitions(group(stats, "document"), LeaseKind::reader, AcquiredBy::request), 1U);
  EXPECT_EQ(acquisitions(group(stats, "gpu"), LeaseKind::permits, AcquiredBy::request), 1U);
  EXPECT_EQ(group(stats, "gpu").timed_out, 1U);
  EXPECT_EQ(group(stats, "order").held, 1U);
  EXPECT_EQ(group(stats, "order").hold.count, 5U);
  EXPECT_EQ(stats.held, 4U);
  EXPECT_EQ(stats.waiting, 0U);
  EXPECT_EQ(stats.acquired, 9U);
  EXPECT_GT(stats.received_bytes, 500U);
  EXPECT_GT(stats.sent_bytes, stats.received_bytes);
}

TEST_F(Metrics, AGrantHasAWaitAndAGap) {
  Client first{server.url()};
  Client second{server.url()};
  std::optional<DistributedLock> held{std::in_place, first, "a"};
  auto waits = std::async(std::launch::async, [&] { const DistributedLock lock{second, "a"}; });
  ASSERT_TRUE(come_to_wait("a", 1));
  EXPECT_EQ(second.stats().waiting, 1U);
  std::this_thread::sleep_for(20ms);  // so that the wait is long beside a gap
  held.reset();
  waits.get();
  const auto stats = second.stats();
  EXPECT_EQ(acquisitions(stats, LeaseKind::mutex, AcquiredBy::grant), 1U);
  EXPECT_EQ(stats.waiting, 0U);
  ASSERT_EQ(stats.handoff_gap.count, 1U);
  EXPECT_GT(stats.handoff_gap.sum, 0);
  EXPECT_LT(stats.handoff_gap.sum, stats.wait.sum);
  EXPECT_GE(stats.wait.sum, 0.02);
  EXPECT_GE(first.stats().hold.sum, 0.02);
}

TEST_F(Metrics, ALossAndADeadlockAreCounted) {
  Client client{server.url()};
  const Mutex mutex{client, "a"};
  const auto lease = mutex.acquire();
  EXPECT_EQ(reason_of([&] { Mutex{client, "a"}.lock(); }), errc::deadlock);
  EXPECT_EQ(break_lock(client, "a", lease.fence()), BreakOutcome::broken);
  EXPECT_TRUE(eventually([&] { return client.stats().lost == 1; }));
  const auto stats = client.stats();
  EXPECT_EQ(stats.losses[static_cast<std::size_t>(LossReason::broken)], 1U);
  EXPECT_EQ(stats.deadlocks, 1U);
  EXPECT_EQ(stats.held, 0U);
}

TEST_F(Metrics, ALossDeposesALeader) {
  Client client{server.url()};
  Election election{client, "boss"};
  EXPECT_TRUE(client.stats().elections.empty()) << "who only observes is no candidate";
  const auto leads = [&] {
    const auto all = client.stats().elections;
    return all.size() == 1 && all[0].name == "boss" && all[0].leads;
  };
  election.campaign("me").resign();
  EXPECT_FALSE(leads());
  const auto leadership = election.campaign("me");
  EXPECT_TRUE(leads());
  EXPECT_EQ(break_lock(client, "boss", leadership.term()), BreakOutcome::broken);
  EXPECT_TRUE(eventually([&] { return !leads(); }));
}

TEST_F(Metrics, PromtoolHasNothingToSayAboutTheText) {
  if (std::system("command -v promtool >/dev/null") != 0) GTEST_SKIP() << "no promtool";
  Client client{server.url(), {.group = [](std::string_view name) { return std::string{name}; }}};
  const DistributedLock hostile{client, "quote\" back\\slash\nline \xff {le=\"1\"} #"};
  const DistributedLock plain{client, "plain"};
  Election election{client, "boss"};
  const auto leadership = election.campaign("me");
  const auto text = prometheus_text(client);
  EXPECT_EQ(verdict_of_promtool(text), "") << text;
  EXPECT_THAT(text, HasSubstr("\ndlock_client_leases_held{group=\"plain\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nleader_election_master_status{name=\"boss\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("dlock_client_wait_seconds_bucket{group=\"plain\",le=\"0.0001\"} "));
  EXPECT_THAT(text, HasSubstr("dlock_client_wait_seconds_bucket{group=\"plain\",le=\"+Inf\"} 1\n"));
  EXPECT_NE(verdict_of_promtool("# TYPE a counter\na{x=\"1} 1\n"), "");
}

TEST_F(Metrics, SeveralClientsShareEachFamilyAndAreToldApart) {
  Client orders{server.url()};
  Client mail{server.url(), {.group = [](std::string_view) { return "letters"; }}};
  const DistributedLock held{orders, "a"};
  Election election{mail, "boss"};
  const auto leadership = election.campaign("me");
  const auto text = prometheus_text({{"orders", orders}, {"ma\"il", mail}});
  EXPECT_EQ(verdict_of_promtool(text), "") << text;
  EXPECT_THAT(text, HasSubstr("\ndlock_client_leases_held{client=\"orders\",group=\"\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("\ndlock_client_leases_held{client=\"ma\\\"il\",group=\"letters\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ndlock_client_reconnects_total{client=\"orders\"} 0\n"));
  EXPECT_THAT(text,
              HasSubstr("\nleader_election_master_status{client=\"ma\\\"il\",name=\"boss\"} 1\n"));
  EXPECT_NE(verdict_of_promtool(prometheus_text(orders) + prometheus_text(mail)), "");
  EXPECT_EQ(reason_of([&] { static_cast<void>(prometheus_text({{"", orders}})); }), errc::usage);
}

TEST(ExpositionTest, AHistogramIsCumulativeAndLabelsAreEscaped) {
  Histogram histogram;
  histogram.counts[0] = 2;
  histogram.counts[20] = 1;
  histogram.counts[21] = 3;
  histogram.count = 6;
  histogram.sum = 1.5;
  detail::Exposition text;
  text.family("a_seconds", detail::Exposition::Type::histogram, "Help.");
  text.add(histogram, {{"name", "\"\\\n"}});
  const auto all = std::move(text).take();
  EXPECT_THAT(all, StartsWith("# HELP a_seconds Help.\n# TYPE a_seconds histogram\n"
                              "a_seconds_bucket{name=\"\\\"\\\\\\\\\\\\n\",le=\"0.0001\"} 2\n"));
  EXPECT_THAT(all, HasSubstr(",le=\"500\"} 3\n"));
  EXPECT_THAT(all, HasSubstr(",le=\"+Inf\"} 6\n"));
  EXPECT_THAT(all, HasSubstr("a_seconds_sum{name=\"\\\"\\\\\\\\\\\\n\"} 1.5\n"));
}

}  // namespace
}  // namespace dlock::test
