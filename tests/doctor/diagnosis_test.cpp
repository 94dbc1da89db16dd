// Judging: facts that are hard to bring about on a real server, and the list of rights.
#include "doctor/diagnosis.hpp"

#include <algorithm>
#include <set>

#include "support/client_fixture.hpp"
#include "support/rights.hpp"

namespace dlock::test {

namespace {

using detail::diagnose;
using detail::Examination;
using detail::ExaminedNode;
using redis::NodeFacts;
using std::chrono::microseconds;
using std::chrono::seconds;
using testing::IsEmpty;

// A sound server with the locks, whose clock is read at the begin and the end of a second.
ExaminedNode sound_node(const std::string& address = "a:1") {
  ExaminedNode node;
  node.has_locks = true;
  auto& facts = node.facts;
  facts.address = address;
  facts.server = "redis";
  facts.version = "7.0.15";
  facts.info = {{"maxmemory_policy", "noeviction"},
                {"maxmemory", "0"},
                {"aof_enabled", "1"},
                {"maxclients", "10000"},
                {"connected_clients", "5"},
                {"number_of_cached_scripts", "8"},
                {"connected_slaves", "0"}};
  facts.config = {{"appendfsync", "everysec"},
                  {"busy-reply-threshold", "5000"},
                  {"client-output-buffer-limit", "normal 0 0 0 pubsub 33554432 8388608 60"}};
  const SteadyClock::time_point begin{};
  facts.clock = {{begin, 1000s, 1000s, microseconds{100}},
                 {begin + 1s, 1001s, 1001s, microseconds{100}}};
  facts.round_trips = {microseconds{100}, microseconds{100}};
  return node;
}

// The grade of the worst finding about `subject`.
Grade grade_of(const Examination& examination, std::string_view subject) {
  auto worst = Grade::ok;
  for (const auto& finding : diagnose(examination).findings) {
    if (finding.subject == subject) worst = std::max(worst, finding.grade);
  }
  return worst;
}

Grade grade_of(const ExaminedNode& node, std::string_view subject) {
  return grade_of(Examination{.nodes = {node}}, subject);
}

TEST(Diagnosis, ASoundServerHasNothingWorseThanOk) {
  const auto checkup = diagnose({.nodes = {sound_node()}});
  EXPECT_EQ(checkup.worst(), Grade::ok);
  for (const auto& finding : checkup.findings) {
    EXPECT_EQ(finding.grade, Grade::ok) << finding.what;
    EXPECT_THAT(finding.fix, IsEmpty()) << finding.what;
  }
}

TEST(Diagnosis, WhateverIsWrongSaysWhatToDo) {
  auto node = sound_node();
  node.facts.info = {{"maxmemory_policy", "allkeys-lru"},
                     {"maxmemory", "10"},
                     {"used_memory", "5"},
                     {"aof_enabled", "0"},
                     {"maxclients", "10"},
                     {"connected_clients", "9"},
                     {"rejected_connections", "3"},
                     {"number_of_cached_scripts", "20000"},
                     {"connected_slaves", "1"},
                     {"slave0", "ip=::1,port=1,state=wait_bgsave"}};
  node.facts.config = {{"save", ""}, {"client-output-buffer-limit", "pubsub 9 9 9"}};
  node.keys.endless = {"k"};
  node.keys.orphaned = {"dlock1:qw:{k}"};
  node.rights.missing = {{"+get", detail::Use::client, true}};
  node.rights.grants = {"+get"};
  const auto checkup = diagnose({.nodes = {node}});
  EXPECT_EQ(checkup.worst(), Grade::danger);
  std::set<std::string> bad;
  for (const auto& finding : checkup.findings) {
    if (finding.grade == Grade::ok || finding.what.starts_with("not known")) continue;
    EXPECT_THAT(finding.why, Not(IsEmpty())) << finding.what;
    EXPECT_THAT(finding.fix, Not(IsEmpty())) << finding.what;
    bad.insert(finding.subject);
  }
  EXPECT_THAT(bad, testing::ElementsAre("clients", "eviction", "keys", "persistence", "pubsub",
                                        "queues", "replication", "rights", "scripts"));
}

TEST(Diagnosis, DriftIsJudgedByWhatItSurelyIs) {
  const auto grade_with = [](microseconds gained, microseconds round_trip) {
    auto node = sound_node();
    node.facts.clock[1].there += gained;
    for (auto& reading : node.facts.clock) reading.round_trip = round_trip;
    return grade_of(node, "clock");
  };
  EXPECT_EQ(grade_with(microseconds{500}, microseconds{100}), Grade::ok);
  EXPECT_EQ(grade_with(microseconds{2'000}, microseconds{100}), Grade::warning);
  EXPECT_EQ(grade_with(microseconds{-2'000}, microseconds{100}), Grade::warning);
  EXPECT_EQ(grade_with(microseconds{20'000}, microseconds{100}), Grade::danger);
  EXPECT_EQ(grade_with(microseconds{20'000}, 25ms), Grade::note) << "it may be nothing";
  EXPECT_EQ(grade_with(microseconds{0}, 50ms), Grade::note) << "it may be much";
}

TEST(Diagnosis, AStepOfOurOwnClockIsNoDriftOfTheServers) {
  auto node = sound_node();
  node.facts.clock[1].here += 100s;
  EXPECT_EQ(grade_of(node, "clock"), Grade::ok);
  EXPECT_EQ(diagnose({.nodes = {node}}).nodes[0].clock_offset->value, -100s);
}

TEST(Diagnosis, ServersThatTakeOverFromEachOtherNeedClocksThatAgree) {
  const auto grade_with = [](microseconds apart) {
    auto other = sound_node("b:1");
    other.has_locks = false;
    other.facts.role = NodeFacts::Role::replica;
    for (auto& reading : other.facts.clock) reading.there += apart;
    return grade_of(Examination{.nodes = {sound_node(), other}, .fails_over = true}, "clock");
  };
  EXPECT_EQ(grade_with(100ms), Grade::ok);
  EXPECT_EQ(grade_with(2s), Grade::warning);
  EXPECT_EQ(grade_with(-2s), Grade::warning);
  EXPECT_EQ(grade_with(20s), Grade::danger);
}

TEST(Diagnosis, ClocksThatShowTheSameAreTold) {
  const Examination examination{.nodes = {sound_node(), sound_node("b:1"), sound_node("c:1")}};
  const auto findings = diagnose(examination).findings;
  EXPECT_EQ(std::ranges::count_if(
                findings, [](const auto& f) { return f.what.find(" apart") != f.what.npos; }),
            1);
}

TEST(Diagnosis, AServerThatFallsSilentIsADangerAndAReplicaOnlyWhereItWouldTakeOver) {
  auto silent = sound_node();
  silent.facts.problem = "the server did not answer in time";
  EXPECT_EQ(grade_of(silent, "node"), Grade::danger);
  silent.has_locks = false;
  silent.facts.role = NodeFacts::Role::replica;
  EXPECT_EQ(grade_of(Examination{.nodes = {sound_node(), silent}}, "node"), Grade::note);
  EXPECT_EQ(grade_of(Examination{.nodes = {sound_node(), silent}, .fails_over = true}, "node"),
            Grade::warning);
}

TEST(Diagnosis, AReplicaThatWasNotHeardFromIsAWarning) {
  auto node = sound_node();
  for (const auto& [lag, grade] : {std::pair{"2", Grade::ok}, std::pair{"3", Grade::warning}}) {
    node.facts.info["connected_slaves"] = "1";
    node.facts.info["slave0"] = std::string{"ip=r,port=1,state=online,offset=0,lag="} + lag;
    node.facts.config["min-replicas-to-write"] = "1";
    EXPECT_EQ(grade_of(Examination{.nodes = {node}, .fails_over = true}, "replication"), grade);
  }
}

TEST(Diagnosis, AServerIsSlowIfARequestTakesAQuarterOfItsTimeout) {
  auto node = sound_node();
  for (const auto& [trip, grade] : {std::pair{50ms, Grade::ok}, std::pair{51ms, Grade::note},
                                    std::pair{501ms, Grade::warning}}) {
    node.facts.round_trips = {trip};
    EXPECT_EQ(grade_of(Examination{.nodes = {node}, .request_timeout = 2s}, "round_trip"), grade);
  }
}

TEST(Diagnosis, SentinelsThatNameDifferentPrimariesAreADanger) {
  Examination examination{.nodes = {sound_node()}, .fails_over = true};
  for (const auto* port : {"1", "1", "2"}) {
    ExaminedNode sentinel;
    sentinel.facts.role = NodeFacts::Role::sentinel;
    sentinel.facts.address = "s";
    sentinel.facts.service = {
        {"ip", "a"},         {"port", port},  {"flags", "master"}, {"num-other-sentinels", "2"},
        {"num-slaves", "2"}, {"quorum", "2"}, {"ckquorum", "OK 3"}};
    examination.nodes.push_back(sentinel);
  }
  EXPECT_EQ(grade_of(examination, "sentinel"), Grade::danger);
  examination.nodes.back().facts.service["port"] = "1";
  EXPECT_EQ(grade_of(examination, "sentinel"), Grade::ok);
  for (auto& node : examination.nodes) node.facts.service["num-other-sentinels"] = "1";
  EXPECT_EQ(grade_of(examination, "sentinel"), Grade::warning);
}

TEST(Diagnosis, AnAppendOnlyFileThatCannotBeWrittenIsADanger) {
  auto node = sound_node();
  node.facts.info["aof_last_write_status"] = "err";
  EXPECT_EQ(grade_of(node, "persistence"), Grade::danger);
}

TEST(Diagnosis, AServiceIsKnownByItsHostAndSaysHowToSetItself) {
  const std::pair<std::string_view, std::string_view> hosts[] = {
      {"x.serverless.use1.cache.amazonaws.com", "Amazon ElastiCache Serverless:"},
      {"x.abc.0001.use1.cache.amazonaws.com", "Amazon ElastiCache:"},
      {"clustercfg.x.abc.memorydb.us-east-1.amazonaws.com", "Amazon MemoryDB:"},
      {"x.redis.cache.windows.net", "Azure Cache for Redis:"},
      {"x.eastus.redis.azure.net", "Azure Managed Redis:"},
      {"redis-1.c1.us-east-1-2.ec2.redns.redis-cloud.com", "Redis Cloud:"},
      {"x.upstash.io", "Upstash:"}};
  for (const auto& [host, name] : hosts) {
    auto node = sound_node(std::string{host} + ":6379");
    node.facts.info["maxmemory_policy"] = "volatile-lru";
    const auto findings = diagnose({.nodes = {node}}).findings;
    const auto named = std::ranges::find(findings, "service", &Finding::subject);
    ASSERT_NE(named, findings.end()) << host;
    EXPECT_THAT(named->what, StartsWith(std::string{name}));
    const auto evicts = std::ranges::find(findings, "eviction", &Finding::subject);
    EXPECT_EQ(evicts->grade, Grade::danger) << "a service has a limit, whatever it reports";
    EXPECT_THAT(evicts->fix, Not(HasSubstr("CONFIG"))) << host;
  }
}

TEST(Diagnosis, AServiceThatEvictsLocksWhateverItReportsIsADanger) {
  auto node = sound_node("10.0.0.1:6379");  // as its CLUSTER SLOTS may name it
  EXPECT_EQ(grade_of(node, "eviction"), Grade::ok);
  node.facts.url_hosts = {"x.serverless.use1.cache.amazonaws.com"};
  EXPECT_EQ(grade_of(node, "eviction"), Grade::danger);
}

TEST(Diagnosis, AServiceWithASoundPolicyIsSound) {
  auto node = sound_node("x.redis.cache.windows.net:6380");
  EXPECT_EQ(diagnose({.nodes = {node}}).worst(), Grade::ok);
  node = sound_node("a:1");
  node.facts.info["dragonfly_version"] = "df-1";
  EXPECT_EQ(diagnose({.nodes = {node}}).worst(), Grade::ok);
  node.facts.info["maxmemory_policy"] = "eviction";
  EXPECT_EQ(grade_of(node, "eviction"), Grade::danger);
}

TEST(Diagnosis, OneServerUnderTwoNamesIsADanger) {
  auto one = sound_node("a:1");
  auto same = sound_node("b:1");
  one.facts.info["run_id"] = same.facts.info["run_id"] = "0123456789abcdef0123456789abcdef01234567";
  EXPECT_EQ(grade_of(Examination{.nodes = {one, same}}, "node"), Grade::danger);
  same.facts.info["run_id"] = "1123456789abcdef0123456789abcdef01234567";
  EXPECT_EQ(grade_of(Examination{.nodes = {one, same}}, "node"), Grade::ok);
  one.facts.info["run_id"] = same.facts.info["run_id"] = std::string(40, '0');
  EXPECT_EQ(grade_of(Examination{.nodes = {one, same}}, "node"), Grade::ok) << "a fixed text";
}

TEST(Diagnosis, DifferentVersionsAreNoted) {
  auto other = sound_node("b:1");
  other.facts.version = "7.2.4";
  EXPECT_EQ(grade_of(Examination{.nodes = {sound_node(), other}}, "node"), Grade::note);
}

// From the lists in docs/protocol.md.
std::set<std::string> documented(std::initializer_list<std::string_view> names) {
  const auto words = documented_rights(names);
  return {words.begin(), words.end()};
}

TEST(Diagnosis, TheRightsThatAreLookedForAreTheDocumentedOnes) {
  std::set<std::string> known, to_lock;
  for (const auto& right : detail::all_rights()) {
    known.emplace(right.grant);
    if (right.use == detail::Use::client) to_lock.emplace(right.grant);
  }
  EXPECT_EQ(known, documented({"client", "blocks", "watch", "reconnect", "candidate", "inspect",
                               "replicas", "cluster"}));
  EXPECT_EQ(to_lock, documented({"client"}));
}

TEST(Diagnosis, TheRightsThatAreDocumentedForTheDoctorShowItAll) {
  const RedisServer server{{.config = {"appendonly yes"}}};
  std::vector<std::string_view> fields{"ACL", "SETUSER", "doc", "reset", "on", ">x"};
  const auto words = documented_rights({"doctor"});
  for (const auto& word : words)
    fields.push_back(word == "~PREFIX*" ? "~app:*" : std::string_view{word});
  const auto unknown_with = [&](std::string_view without) {
    auto some = fields;
    std::erase(some, without);
    server.command(some);
    auto url = server.url();
    Client client{url.insert(url.find("//") + 2, "doc:x@"), {.prefix = "app:"}};
    int unknown = 0;
    for (const auto& finding : check_up(client, {.clock_span = 10ms}).findings) {
      unknown += finding.what.starts_with("not known") ? 1 : 0;
    }
    return unknown;
  };
  server.command({"ZADD", "dlock1:qw:{k}", "1",
                  "dlock1:" + std::string(16, '0') + ":" + std::string(32, '0') + ":3000"});
  EXPECT_EQ(unknown_with("none"), 0);
  for (const auto* right :
       {"+eval", "+info", "+config|get", "+time", "+scan", "+pttl", "+pubsub|shardnumsub"}) {
    EXPECT_GT(unknown_with(right), 0) << right;
  }
}

// With DLOCK_TEST_ACL=1 the whole suite runs with the documented rights: here is that it does.
TEST(Rights, ASuiteWithEnforcedRightsHasNoOthers) {
  if (!rights_are_enforced()) GTEST_SKIP() << "DLOCK_TEST_ACL is not 1";
  const RedisServer server;
  EXPECT_EQ(server.command({"ACL", "DRYRUN", "default", "GET", "k"}), "OK");
  for (const auto* command : {"FLUSHALL", "DBSIZE", "LASTSAVE"}) {
    EXPECT_THAT(server.command({"ACL", "DRYRUN", "default", command}), HasSubstr("no permissions"));
  }
}

}  // namespace

}  // namespace dlock::test
