// Judges a server's settings and state: memory, disk, clients, scripts, messages, replicas.
#include <algorithm>
#include <charconv>

#include "doctor/diagnosis.hpp"
#include "doctor/service.hpp"

namespace dlock::detail {
namespace {

using Facts = redis::NodeFacts;

constexpr std::string_view no_answer = "the server did not say";

std::string why_unknown(const Facts& node, std::string_view command) {
  const auto found = node.unknown.find(command);
  return std::string{found == node.unknown.end() ? no_answer : std::string_view{found->second}};
}

std::string percent(std::int64_t part, std::int64_t whole) {
  return std::to_string(part * 100 / whole) + " %";
}

std::string counted(std::int64_t number, std::string_view what) {
  return std::to_string(number) + " " + std::string{what} + (number == 1 ? "" : "s");
}

// The words of a list-valued setting.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// The value of `name` in INFO's `ip=127.0.0.1,port=6380,state=online`.
std::string member_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    const auto member = text.substr(0, end);
    if (member.starts_with(name) && member.substr(name.size()).starts_with('=')) {
      return std::string{member.substr(name.size() + 1)};
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

std::int64_t integer(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void judge_memory(const Facts& node, Findings& findings) {
  const auto limit = number_in(node.info, "maxmemory").value_or(0);
  const auto used = number_in(node.info, "used_memory").value_or(0);
  if (limit <= 0) return;
  if (used >= limit / 10 * 9) {
    findings.add(Grade::warning, percent(used, limit) + " of maxmemory is used",
                 "a full server that evicts nothing refuses new locks; renewals and releases go on",
                 "raise maxmemory, or delete other keys");
  }
}

// Judges what survives a restart with an append-only file.
void judge_append_only(const Facts& node, bool is_private, Findings& findings) {
  if (text_in(node.info, "aof_last_write_status") == "err") {
    findings.add(Grade::danger, "the append-only file cannot be written",
                 "the server accepts no writes until it can write to that file",
                 "see the server's log; free disk space");
    return;
  }
  const auto when = text_in(node.config, "appendfsync");
  if (when.empty()) {
    findings.add(Grade::ok, "append-only file: a restart loses nothing, or only the last moments");
    findings.unknown(why_unknown(node, "CONFIG GET"));
  } else if (is_private) {
    findings.add(Grade::ok, "append-only file: a restart of the server loses nothing");
  } else if (when == "no") {
    findings.add(
        Grade::warning,
        "append-only file, written to disk when the system decides (appendfsync no): a crash "
        "of the machine loses about 30 s",
        "locks that were acquired in that time are free again while their holders work",
        "CONFIG SET appendfsync everysec");
  } else {
    findings.add(Grade::ok, when == "always"
                                ? "append-only file, appendfsync always: a restart loses nothing"
                                : "append-only file, appendfsync everysec: a crash of the machine "
                                  "loses the last second, a crash of the server nothing");
  }
}

void judge_snapshots(const Facts& node, Findings& findings) {
  constexpr std::string_view why =
      "the locks it loses are free again while their holders work; these learn of it at their next "
      "renewal";
  const auto* const service = service_of(node);
  const std::string fix =
      service != nullptr && !service->set_persistence.empty()
          ? std::string{service->set_persistence}
          : "CONFIG SET appendonly yes, CONFIG SET appendfsync everysec, and the same in the "
            "server's "
            "configuration file; or keep it down for the longest ttl before it comes back";
  const bool fails = text_in(node.info, "rdb_last_bgsave_status") == "err";
  if (!node.config.contains("save")) {
    findings.add(
        Grade::warning,
        "no append-only file: a restart loses everything since the last snapshot, if there are any",
        std::string{why}, fix);
    return findings.unknown(why_unknown(node, "CONFIG GET"));
  }
  if (text_in(node.config, "save").empty()) {
    return findings.add(Grade::warning, "no persistence: a restart loses all locks",
                        std::string{why}, fix);
  }
  findings.add(
      Grade::warning,
      "snapshots only: a restart loses what changed since the last one, " +
          counted(number_in(node.info, "rdb_changes_since_last_save").value_or(0), "change") +
          " now" + (fails ? "; and the last one failed" : ""),
      std::string{why}, fix);
}

}  // namespace

std::vector<redis::Endpoint::Address> replicas_of(const Facts& node) {
  std::vector<redis::Endpoint::Address> replicas;
  const auto count = number_in(node.info, "connected_slaves").value_or(0);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto text = text_in(node.info, "slave" + std::to_string(i));
    replicas.push_back({member_of(text, "ip"), static_cast<int>(integer(member_of(text, "port")))});
  }
  return replicas;
}

std::optional<std::int64_t> number_in(const Facts::Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  if (found == fields.end()) return std::nullopt;
  std::int64_t value = 0;
  const auto& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void judge_eviction(const Facts& node, Findings& findings) {
  findings.begin("eviction", node.address);
  const auto* const service = service_of(node);
  const auto policy = text_in(node.info, "maxmemory_policy");
  const std::string why =
      "a server that is full drops locks while they are held: all of them have an expiry";
  if (service != nullptr && service->eviction == Service::Eviction::fixed) {
    return findings.add(
        Grade::danger,
        std::string{service->name} +
            " evicts keys that have an expiry when it is full, and nobody can change "
            "that",
        why, std::string{service->set_eviction});
  }
  if (policy.empty()) return findings.unknown(why_unknown(node, "INFO"));
  if (policy == "noeviction") {
    findings.add(Grade::ok, "maxmemory-policy noeviction: no lock is dropped");
    return judge_memory(node, findings);
  }
  const std::string fix = service != nullptr && !service->set_eviction.empty()
                              ? std::string{service->set_eviction}
                              : "CONFIG SET maxmemory-policy noeviction, and the same in the "
                                "server's configuration file";
  const auto limit = number_in(node.info, "maxmemory").value_or(0);
  if (limit == 0 && service != nullptr) {  // a service has a limit all the same
    return findings.add(Grade::danger, "maxmemory-policy " + policy, why, fix);
  }
  if (limit == 0) {
    return findings.add(Grade::note, "maxmemory-policy " + policy + ", but no maxmemory", why, fix);
  }
  const auto evicted = number_in(node.info, "evicted_keys").value_or(0);
  findings.add(Grade::danger,
               "maxmemory-policy " + policy + ", " +
                   percent(number_in(node.info, "used_memory").value_or(0), limit) +
                   " of maxmemory used, " + counted(evicted, "key") + " evicted so far",
               why, fix);
}

void judge_persistence(const Facts& node, bool is_private, Findings& findings) {
  findings.begin("persistence", node.address);
  const auto append_only = text_in(node.info, "aof_enabled");
  if (append_only.empty()) return findings.unknown(why_unknown(node, "INFO"));
  append_only == "1" ? judge_append_only(node, is_private, findings)
                     : judge_snapshots(node, findings);
}

void judge_clients(const Facts& node, Findings& findings) {
  findings.begin("clients", node.address);
  const auto limit = number_in(node.info, "maxclients");
  const auto now = number_in(node.info, "connected_clients");
  if (!limit || !now) return findings.unknown(why_unknown(node, "INFO"));
  const auto what = std::to_string(*now) + " of maxclients " + std::to_string(*limit);
  const std::string why =
      "each process that uses locks needs a connection; the server refuses connections over the "
      "limit, even from a holder that reconnects to renew";
  const std::string fix = "raise maxclients (and the server's limit of open files), or close some";
  const auto room = *limit - *now;
  if (room < 2) {
    findings.add(Grade::danger, what + ": full", why, fix);
  } else if (*now * 10 >= *limit * 8 || room < 32) {
    findings.add(Grade::warning, what + ": nearly full", why, fix);
  } else {
    findings.add(Grade::ok, what);
  }
  const auto rejected = number_in(node.info, "rejected_connections").value_or(0);
  if (rejected > 0) {
    findings.add(Grade::note, counted(rejected, "connection") + " refused since the server's start",
                 why, fix);
  }
}

void judge_scripts(const Facts& node, Findings& findings) {
  findings.begin("scripts", node.address);
  constexpr std::int64_t many = 10'000;
  const auto cached = number_in(node.info, "number_of_cached_scripts");
  if (!cached) return findings.unknown(why_unknown(node, "INFO"));
  if (*cached > many) {
    findings.add(
        Grade::note, counted(*cached, "script") + " in the server's memory",
        "some program puts values into the text of its scripts; these fill the memory that "
        "locks need",
        "pass the values as ARGV; SCRIPT FLUSH does no harm to dlock");
  }
  const auto busy_ms = number_in(node.config, "busy-reply-threshold");
  if (!busy_ms) return findings.unknown(why_unknown(node, "CONFIG GET"));
  const auto what = "busy-reply-threshold " + std::to_string(*busy_ms) + " ms";
  if (*busy_ms > 0 && *busy_ms < 100) {
    return findings.add(Grade::note, what,
                        "while another program's script runs for that long, the server answers "
                        "dlock with an error instead of answering late",
                        "CONFIG SET busy-reply-threshold 5000");
  }
  findings.add(Grade::ok, what + ", " + counted(*cached, "script") + " in memory");
}

void judge_pubsub(const Facts& node, Findings& findings) {
  findings.begin("pubsub", node.address);
  constexpr std::int64_t min_bytes = 1 << 20;
  const auto words = words_of(text_in(node.config, "client-output-buffer-limit"));
  const auto at = std::ranges::find(words, "pubsub");
  if (words.end() - at < 4) return findings.unknown(why_unknown(node, "CONFIG GET"));
  const auto hard = integer(at[1]), soft = integer(at[2]);
  const auto what = "client-output-buffer-limit pubsub " + at[1] + " " + at[2] + " " + at[3];
  if ((hard > 0 && hard < min_bytes) || (soft > 0 && soft < min_bytes / 4)) {
    return findings.add(Grade::warning, what,
                        "the server disconnects a waiter that is slow for a moment, instead of "
                        "telling it that it holds the lock",
                        "CONFIG SET client-output-buffer-limit \"pubsub 33554432 8388608 60\"");
  }
  findings.add(Grade::ok, what);
}

void judge_replication(const Facts& node, bool fails_over, Findings& findings) {
  findings.begin("replication", node.address);
  const auto count = number_in(node.info, "connected_slaves");
  if (!count) return findings.unknown(why_unknown(node, "INFO"));
  constexpr std::int64_t late_s = 2;
  constexpr std::int64_t far_bytes = 1 << 20;
  const std::string why =
      "when a replica takes the primary's place, locks that it had not received yet are free while "
      "their holders work";
  const auto offset = number_in(node.info, "master_repl_offset").value_or(0);
  const auto replicas = replicas_of(node);
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    const auto replica = text_in(node.info, "slave" + std::to_string(i));
    const auto lag = integer(member_of(replica, "lag"));
    const auto behind = std::max<std::int64_t>(0, offset - integer(member_of(replica, "offset")));
    const auto state = member_of(replica, "state");
    const auto what = "replica " + redis::display_address(replicas[i].host, replicas[i].port) +
                      ": " + state + ", last heard from " + std::to_string(lag) + " s ago, " +
                      std::to_string(behind) + " bytes behind";
    if (state != "online") {
      findings.add(Grade::warning, what, why, "wait for it to synchronise; see its log");
    } else if (lag > late_s || behind > far_bytes) {
      findings.add(Grade::warning, what, why, "check its load, its disk and its network");
    } else {
      findings.add(Grade::ok, what);
    }
  }
  if (!fails_over) {
    if (*count == 0) return findings.add(Grade::ok, "no replicas");
    return findings.add(
        Grade::note,
        counted(*count, "replica") + ", which nothing promotes automatically with this URL", why,
        "do not promote one while locks matter");
  }
  if (*count == 0) {
    findings.add(Grade::warning, "no replica is connected",
                 "without a replica, nothing can take the primary's place", "start one: REPLICAOF");
  }
  const auto min_replicas = number_in(node.config, "min-replicas-to-write");
  if (!min_replicas) return findings.unknown(why_unknown(node, "CONFIG GET"));
  if (*min_replicas == 0) {
    return findings.add(
        Grade::warning, "min-replicas-to-write 0",
        "a primary that is cut off from its Sentinels and replicas goes on granting locks, "
        "beside the new primary, until it is back",
        "CONFIG SET min-replicas-to-write 1, CONFIG SET min-replicas-max-lag 10");
  }
  findings.add(Grade::ok, "min-replicas-to-write " + std::to_string(*min_replicas) +
                              ", min-replicas-max-lag " +
                              text_in(node.config, "min-replicas-max-lag"));
}

void judge_sentinel(const Facts& node, Findings& findings) {
  findings.begin("sentinel", node.address);
  const auto others = number_in(node.service, "num-other-sentinels");
  if (!others) return findings.unknown(why_unknown(node, "SENTINEL MASTER"));
  const auto quorum = text_in(node.service, "ckquorum");
  const auto flags = text_in(node.service, "flags");
  const auto what = counted(*others + 1, "Sentinel") + " and " +
                    counted(number_in(node.service, "num-slaves").value_or(0), "replica") +
                    " known, quorum " + text_in(node.service, "quorum");
  const std::string why =
      "when the primary dies, no replica takes its place, and no lock can be had";
  if (!quorum.starts_with("OK")) {
    findings.add(Grade::warning, what + "; too few can be reached: " + quorum, why,
                 "start the missing Sentinels, or repair the network between them");
  } else if (flags != "master") {
    findings.add(Grade::warning, what + "; it sees the primary as " + flags,
                 "the primary does not answer it, or a failover is under way",
                 "see its log, and look again");
  } else if (*others + 1 < 3) {
    findings.add(Grade::warning, what, why + ", if one Sentinel dies with it",
                 "run three Sentinels, each on its own machine");
  } else {
    findings.add(Grade::ok, what);
  }
}

}  // namespace dlock::detail
