// Judges a store as a whole: its servers, clocks, rights and keys.
#include "doctor/diagnosis.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>

#include "core/wire/keys.hpp"
#include "doctor/service.hpp"

namespace dlock::detail {
namespace {

using Facts = redis::NodeFacts;
using Role = Facts::Role;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t shown_keys = 10;

std::string name_of(Role role) {
  return role == Role::primary ? "primary" : role == Role::replica ? "replica" : "sentinel";
}

// About three digits, in a suitable unit.
std::string in_words(microseconds span) {
  const auto us = std::abs(span.count());
  const auto tenths = [&](std::int64_t unit, const char* name) {
    return std::to_string(us / unit) + "." + std::to_string(us % unit * 10 / unit) + " " + name;
  };
  if (us < 1'000) return std::to_string(us) + " us";
  return us < 1'000'000 ? tenths(1'000, "ms") : tenths(1'000'000, "s");
}

std::string in_ppm(double rate) {
  return std::to_string(std::llround(std::abs(rate) * 1e6)) + " us a second";
}

microseconds error_of(const redis::ClockReading& reading) {
  return reading.round_trip / 2 + microseconds{1};
}

// The drift of its clock against this machine's steady clock, which times leases.
std::optional<CheckedNode::Measured<double>> drift_of(const Facts& node) {
  if (node.clock.size() < 2) return std::nullopt;
  const auto& first = node.clock.front();
  const auto& last = node.clock.back();
  const std::chrono::duration<double, std::micro> here = last.at - first.at;
  if (here.count() <= 0) return std::nullopt;
  const auto there = static_cast<double>((last.there - first.there).count());
  const auto error = static_cast<double>((error_of(first) + error_of(last)).count());
  return CheckedNode::Measured<double>{there / here.count() - 1, error / here.count()};
}

CheckedNode summary_of(const Facts& node) {
  CheckedNode summary;
  summary.address = node.address;
  summary.role = name_of(node.role);
  if (!node.version.empty()) summary.version = node.server + " " + node.version;
  if (!node.clock.empty()) {
    const auto& last = node.clock.back();
    summary.clock_offset = {last.there - last.here, error_of(last)};
  }
  summary.clock_drift = drift_of(node);
  if (auto trips = node.round_trips; !trips.empty()) {
    std::ranges::sort(trips);
    summary.round_trip = trips[trips.size() / 2];
  }
  return summary;
}

// A private server reports its directory; an empty one is gone.
void judge_directory(const Facts& node, const std::string& what, Findings& findings) {
  const auto directory = node.config.find("dir");
  if (directory == node.config.end() || !directory->second.empty()) {
    return findings.add(Grade::ok,
                        directory == node.config.end() ? what : what + ", in " + directory->second);
  }
  findings.add(
      Grade::warning, what + ", in a directory that was removed",
      "it goes on for the programs that use it, and forgets their locks when it is restarted",
      "end the programs that use it; then the next one starts another");
}

void judge_presence(const ExaminedNode& node, const CheckedNode& summary,
                    const Examination& examination, Findings& findings) {
  const auto& facts = node.facts;
  const bool fails_over = examination.fails_over;
  findings.begin("node", facts.address);
  if (facts.problem.empty()) {
    const auto what = name_of(facts.role) + ", " + summary.version;
    return examination.is_private ? judge_directory(facts, what, findings)
                                  : findings.add(Grade::ok, what);
  }
  const auto* const why = node.has_locks ? "no lock can be had there"
                          : facts.role == Role::sentinel
                              ? "one Sentinel fewer can say where the primary is"
                          : fails_over ? "clients could not use it after a failover"
                                       : "it may no longer be a copy";
  const auto grade = node.has_locks ? Grade::danger : fails_over ? Grade::warning : Grade::note;
  findings.add(grade, name_of(facts.role) + ": " + facts.problem, why,
               "check that it runs, its address as seen from this machine, and its passwords");
}

// What the server is, beside a Redis of one's own.
void judge_service(const Facts& node, Findings& findings) {
  findings.begin("service", node.address);
  if (const auto* const service = service_of(node)) {
    findings.add(Grade::ok,
                 std::string{service->name} + ": docs/servers.md has what is known of it");
  }
  if (node.has_slots) {
    findings.add(
        Grade::ok,
        "one endpoint that has slots, as a cluster behind it: each slot has a fence counter");
  }
  if (node.speaks_resp2) {
    findings.add(Grade::ok,
                 "it speaks RESP2: a second connection of each client hears its messages");
  }
}

// A quorum counts servers.
void judge_identities(const std::vector<ExaminedNode>& nodes, Findings& findings) {
  findings.begin("node", "");
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto id = text_in(nodes[i].facts.info, "run_id");
    if (!nodes[i].has_locks || !redis::tells_servers_apart(id)) continue;
    for (std::size_t j = i + 1; j < nodes.size(); ++j) {
      if (!nodes[j].has_locks || text_in(nodes[j].facts.info, "run_id") != id) continue;
      findings.add(Grade::danger,
                   nodes[i].facts.address + " and " + nodes[j].facts.address +
                       " are the same server (run_id " + id + ")",
                   "it would count twice in a majority, so dlock refuses to lock there",
                   "name servers that are independent of each other");
    }
  }
}

// The server that has the locks must accept writes.
void judge_role(const Facts& node, Findings& findings) {
  if (node.role != Role::replica) return;
  findings.begin("node", node.address);
  findings.add(Grade::danger, "this server is a replica, which accepts no writes",
               "no lock can be had there",
               "use the URL of its primary, " +
                   redis::display_address(
                       text_in(node.info, "master_host"),
                       static_cast<int>(number_in(node.info, "master_port").value_or(0))) +
                   ", or redis+sentinel://");
}

void judge_round_trip(const Facts& node, const CheckedNode& summary, milliseconds request_timeout,
                      Findings& findings) {
  findings.begin("round_trip", node.address);
  if (!summary.round_trip) {
    const auto why = node.unknown.find("TIME");
    return findings.unknown(why == node.unknown.end() ? node.problem : why->second);
  }
  const auto longest = std::ranges::max(node.round_trips);
  const auto what = "median " + in_words(*summary.round_trip) + ", maximum " + in_words(longest) +
                    ", of " + std::to_string(node.round_trips.size()) + " requests";
  const std::string why = "a request without an answer within the request timeout, " +
                          in_words(request_timeout) + ", fails; each lock costs two";
  if (*summary.round_trip * 4 > request_timeout) {
    findings.add(Grade::warning, what, why,
                 "look at the server's load, its SLOWLOG and the network, or raise the timeout");
  } else if (*summary.round_trip > milliseconds{50} || longest * 4 > request_timeout) {
    findings.add(Grade::note, what, why,
                 "keep the server near to its clients; its SLOWLOG has commands that block it");
  } else {
    findings.add(Grade::ok, what);
  }
}

// Judges the drift between this machine and the server.
void judge_drift(const Facts& node, const CheckedNode& summary, double allowed,
                 Findings& findings) {
  if (!summary.clock_drift) return;
  findings.begin("clock", node.address);
  const auto& offset = *summary.clock_offset;
  const auto& drift = *summary.clock_drift;
  const auto what = in_words(offset.value) + (offset.value.count() < 0 ? " behind" : " ahead of") +
                    " this machine's (within " + in_words(offset.error) + "); " +
                    (drift.value < 0 ? "loses " : "gains ") + in_ppm(drift.value) + " (within " +
                    in_ppm(drift.error) + ")";
  const auto surely = std::abs(drift.value) - drift.error;
  const auto limit = in_ppm(allowed);
  const std::string why =
      "leases end by the server's clock, and clients time them by this machine's. dlock allows "
      "for " +
      limit + "; a clock that drifts or steps by more makes two holders possible";
  const std::string fix =
      "let NTP slew the clocks of both machines, not step them; or raise drift_rate";
  if (surely > allowed) {
    findings.add(Grade::danger, what, why, fix);
  } else if (surely > allowed / 10) {
    findings.add(Grade::warning, what, why, fix);
  } else if (drift.error > allowed) {
    findings.add(Grade::note, what + ": the round trips are too long to tell the drift", why,
                 "watch the clocks for longer: --clock 1m");
  } else {
    findings.add(Grade::ok, what);
  }
}

// After a failover, fences follow the clock of the new server.
void judge_clocks_together(const std::vector<CheckedNode>& nodes, Findings& findings) {
  const CheckedNode* latest = nullptr;
  const CheckedNode* earliest = nullptr;
  for (const auto& node : nodes) {
    if (node.role == "sentinel" || !node.clock_offset) continue;
    if (latest == nullptr || node.clock_offset->value >= latest->clock_offset->value) {
      latest = &node;  // of equal offsets the last, while `earliest` is the first
    }
    if (earliest == nullptr || node.clock_offset->value < earliest->clock_offset->value) {
      earliest = &node;
    }
  }
  if (latest == earliest) return;  // one server, or none
  findings.begin("clock", "");
  const auto apart = latest->clock_offset->value - earliest->clock_offset->value;
  const auto error = latest->clock_offset->error + earliest->clock_offset->error;
  const auto what = "the clocks of the servers are " + in_words(apart) + " apart (within " +
                    in_words(error) + "): " + earliest->address + " is behind " + latest->address;
  const std::string why =
      "after a failover, fences go on from the new server's clock: while that is behind, the "
      "server can give out a fence twice";
  const std::string fix = "synchronise them by NTP";
  const auto surely = apart - error;
  if (surely > std::chrono::seconds{10}) {
    findings.add(Grade::danger, what, why, fix);
  } else if (surely > std::chrono::seconds{1}) {
    findings.add(Grade::warning, what, why, fix);
  } else {
    findings.add(Grade::ok, what);
  }
}

void judge_versions(const std::vector<CheckedNode>& nodes, Findings& findings) {
  std::set<std::string> versions;
  for (const auto& node : nodes) {
    if (node.role != "sentinel" && !node.version.empty()) versions.insert(node.version);
  }
  if (versions.size() < 2) return;
  std::string what = "the servers have different versions:";
  for (const auto& version : versions) what += " " + version + ",";
  what.pop_back();
  findings.begin("node", "");
  findings.add(Grade::note, what, "an older replica may not understand a newer primary",
               "finish the upgrade");
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < std::min(words.size(), shown_keys); ++i) {
    text += (i == 0 ? "" : " ") + words[i];
  }
  return words.size() > shown_keys ? text + " ..." : text;
}

struct UseWords {
  Use use;
  Grade grade;
  std::string_view what;
  std::string_view why;
};

constexpr std::array uses{
    UseWords{Use::client, Grade::danger, "to have locks", "locks, or some kinds of them, fail"},
    UseWords{Use::blocks, Grade::note, "to take free locks without scripts",
             "each costs the server about twice the time"},
    UseWords{Use::watch, Grade::note, "to hear of a loss at once",
             "a lock that is deleted or overwritten is noticed at its next renewal"},
    UseWords{Use::reconnect, Grade::note, "to end a former connection",
             "after a reconnect, a lock may stay taken for some seconds although nobody holds it"},
    UseWords{Use::candidate, Grade::note, "to be elected", "observers of an election are not told"},
    UseWords{Use::look, Grade::note, "to look at locks", "dlock ls and dlock info fail"},
    UseWords{Use::replicas, Grade::note, "to wait for replicas", "min_replicas fails"},
    UseWords{Use::cluster, Grade::danger, "for a cluster",
             "locks cannot be found, or end while their slot moves"},
};

bool applies(Use use, const Facts& node) {
  switch (use) {
    case Use::replicas:
      return number_in(node.info, "connected_slaves").value_or(0) > 0;
    case Use::cluster:
      return number_in(node.info, "cluster_enabled").value_or(0) > 0;
    default:
      return true;
  }
}

void judge_rights(const Facts& node, const RightsFacts& rights, const std::string& prefix,
                  Findings& findings) {
  findings.begin("rights", node.address);
  if (!rights.unknown.empty()) {
    // The doctor asks by EVAL, which locks need too.
    findings.unknown(rights.unknown);
    return findings.add(Grade::danger, "missing to have locks: +eval", "locks fail",
                        "ACL SETUSER USER +eval");
  }
  bool is_missing = false;
  for (const auto& use : uses) {
    if (!applies(use.use, node)) continue;
    std::string grants;
    for (std::size_t i = 0; i < rights.missing.size(); ++i) {
      if (rights.missing[i].use == use.use) grants += " " + rights.grants[i];
    }
    if (grants.empty()) continue;
    is_missing = true;
    const bool all_names = prefix.empty() && grants.find(" ~*") != grants.npos;
    findings.add(
        use.grade, "missing " + std::string{use.what} + ":" + grants, std::string{use.why},
        "ACL SETUSER USER" + grants +
            (all_names ? "; for ~* give the --prefix of your names, if they have one" : ""));
  }
  if (!is_missing) findings.add(Grade::ok, "no right is missing");
}

void judge_keys(const Facts& node, const KeyFacts& keys, Findings& findings) {
  const auto extent = keys.cut ? " among the first " + std::to_string(keys.walked) + " keys of " +
                                     std::to_string(keys.total)
                               : std::string{};
  findings.begin("keys", node.address);
  if (!keys.unknown.empty()) findings.unknown(keys.unknown);
  if (!keys.endless.empty()) {
    findings.add(
        Grade::warning,
        std::to_string(keys.endless.size()) + " of dlock's keys have no expiry" + extent + ": " +
            joined(keys.endless),
        "a lock among them stays held until somebody deletes it; the other keys fill the memory",
        "find out who runs PERSIST, or restores keys without their expiry; then DEL the "
        "keys while nobody holds their lock");
  } else if (keys.unknown.empty()) {
    findings.add(keys.cut ? Grade::note : Grade::ok,
                 "all keys of dlock expire" + extent + (keys.cut ? "; the walk ended there" : ""),
                 {}, keys.cut ? "--keys N walks over more" : "");
  }
  findings.begin("queues", node.address);
  if (!keys.queues_unknown.empty()) return findings.unknown(keys.queues_unknown);
  if (!keys.unknown.empty() && keys.orphaned.empty()) return findings.unknown(keys.unknown);
  if (keys.orphaned.empty()) return findings.add(Grade::ok, "no queue is abandoned" + extent);
  findings.add(
      Grade::note,
      std::to_string(keys.orphaned.size()) + " with no waiter left alive" + extent + ": " +
          joined(keys.orphaned),
      "their programs ended without leaving the queue, as in a crash; a queue expires 20 s "
      "after its last change, and until then a release skips dead waiters",
      "if this goes on, find out why the programs ended");
}

// Judges whether the Sentinels name the same primary.
void judge_agreement(const std::vector<ExaminedNode>& nodes, Findings& findings) {
  std::set<std::string> primaries;
  for (const auto& node : nodes) {
    const auto& facts = node.facts;
    if (facts.role != Role::sentinel || !facts.service.contains("ip")) continue;
    primaries.insert(
        redis::display_address(text_in(facts.service, "ip"),
                               static_cast<int>(number_in(facts.service, "port").value_or(0))));
  }
  if (primaries.size() < 2) return;
  findings.begin("sentinel", "");
  findings.add(
      Grade::danger,
      "the Sentinels name different primaries: " + joined({primaries.begin(), primaries.end()}),
      "clients of both can hold the same lock",
      "look again after a failover; if it lasts, run SENTINEL RESET at the Sentinels that are "
      "wrong");
}

}  // namespace

void Findings::unknown(std::string_view reason) {
  const auto end = std::min(reason.find("; "), reason.size());
  add(Grade::note, "not known: " + std::string{reason.substr(0, end)}, {},
      std::string{reason.substr(std::min(end + 2, reason.size()))});
}

Checkup diagnose(const Examination& examination) {
  Checkup checkup;
  Findings findings{checkup.findings};
  const bool fails_over = examination.fails_over;
  for (const auto& node : examination.nodes) {
    const auto& facts = node.facts;
    const auto& summary = checkup.nodes.emplace_back(summary_of(facts));
    judge_presence(node, summary, examination, findings);
    if (!facts.problem.empty()) continue;
    if (facts.role == Role::sentinel) {
      judge_sentinel(facts, findings);
      continue;
    }
    if (node.has_locks) judge_role(facts, findings);
    if (node.has_locks) judge_service(facts, findings);
    judge_round_trip(facts, summary, examination.request_timeout, findings);
    judge_drift(facts, summary, examination.drift_rate, findings);
    if (!node.has_locks && !fails_over) continue;  // a copy, whose settings do not matter
    judge_eviction(facts, findings);
    judge_persistence(facts, examination.is_private, findings);
    judge_clients(facts, findings);
    judge_scripts(facts, findings);
    judge_pubsub(facts, findings);
    if (!node.has_locks) continue;
    judge_replication(facts, fails_over, findings);
    judge_rights(facts, node.rights, examination.prefix, findings);
    judge_keys(facts, node.keys, findings);
  }
  judge_identities(examination.nodes, findings);
  judge_versions(checkup.nodes, findings);
  judge_clocks_together(checkup.nodes, findings);
  judge_agreement(examination.nodes, findings);
  return checkup;
}

}  // namespace dlock::detail
