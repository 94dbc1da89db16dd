// Diagnosis: makes findings of the facts about a store's servers. Pure: no connection, no clock.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "dlock/doctor.hpp"
#include "doctor/key_walk.hpp"
#include "doctor/rights.hpp"
#include "doctor/server_probe.hpp"

namespace dlock::detail {

struct ExaminedNode {
  redis::NodeFacts facts{};
  bool has_locks = false;  ///< it is the store or a part of it; not a copy, not a Sentinel
  RightsFacts rights;      ///< if it has locks
  KeyFacts keys;           ///< if it has locks
};

/// All facts about a store.
struct Examination {
  std::vector<ExaminedNode> nodes;
  bool is_private =
      false;  ///< serves this machine alone: its holders do not outlive a crash of the machine
  bool fails_over = false;  ///< something promotes a replica when the primary is gone
  std::string prefix{};
  double drift_rate = 0.01;  ///< that the client allows for
  std::chrono::milliseconds request_timeout{2'000};
};

[[nodiscard]] Checkup diagnose(const Examination& examination);

/// Collects findings.
class Findings {
 public:
  explicit Findings(std::vector<Finding>& list) : list_(list) {}

  /// The next findings are about this subject, of one node or (empty) of all.
  void begin(std::string subject, std::string node) {
    subject_ = std::move(subject);
    node_ = std::move(node);
  }
  void add(Grade grade, std::string what, std::string why = {}, std::string fix = {}) {
    list_.push_back({grade, subject_, node_, std::move(what), std::move(why), std::move(fix)});
  }
  /// The server refused the command that would tell. `reason` is a text of redis::classify.
  void unknown(std::string_view reason);

 private:
  std::vector<Finding>& list_;
  std::string subject_;
  std::string node_;
};

// Each of these adds one or more findings about its subject.
void judge_eviction(const redis::NodeFacts& node, Findings& findings);
void judge_persistence(const redis::NodeFacts& node, bool is_private, Findings& findings);
void judge_clients(const redis::NodeFacts& node, Findings& findings);
void judge_scripts(const redis::NodeFacts& node, Findings& findings);
void judge_pubsub(const redis::NodeFacts& node, Findings& findings);
void judge_replication(const redis::NodeFacts& node, bool fails_over, Findings& findings);
void judge_sentinel(const redis::NodeFacts& node, Findings& findings);

/// The addresses of this server's replicas, as it knows them.
[[nodiscard]] std::vector<redis::Endpoint::Address> replicas_of(const redis::NodeFacts& node);

/// The number in a field; nullopt: the field is missing or has no number.
[[nodiscard]] std::optional<std::int64_t> number_in(const redis::NodeFacts::Fields& fields,
                                                    std::string_view name);
/// The text of a field; empty: the field is missing.
using redis::text_in;

}  // namespace dlock::detail
