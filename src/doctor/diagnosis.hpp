// Diagnosis: from what is known of a store's servers to findings. Pure: no connection, no clock.
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
  bool has_locks = false;  ///< the store, or one of those that make it; not a copy, nor a Sentinel
  RightsFacts rights;      ///< if it has locks
  KeyFacts keys;           ///< the same
};

/// All that was learned of a store.
struct Examination {
  std::vector<ExaminedNode> nodes;
  bool is_private = false;  ///< for this machine alone: holders do not outlive its crash
  bool fails_over = false;  ///< others put a replica in the primary's place when it is gone
  std::string prefix{};
  double drift_rate = 0.01;  ///< that is allowed for
  std::chrono::milliseconds request_timeout{2'000};
};

[[nodiscard]] Checkup diagnose(const Examination& examination);

/// Where the findings go.
class Findings {
 public:
  explicit Findings(std::vector<Finding>& list) : list_(list) {}

  /// What follows is about this: a subject of one node, or of all.
  void begin(std::string subject, std::string node) {
    subject_ = std::move(subject);
    node_ = std::move(node);
  }
  void add(Grade grade, std::string what, std::string why = {}, std::string fix = {}) {
    list_.push_back({grade, subject_, node_, std::move(what), std::move(why), std::move(fix)});
  }
  /// A refused command left it open. The reason is that of redis::classify.
  void unknown(std::string_view reason);

 private:
  std::vector<Finding>& list_;
  std::string subject_;
  std::string node_;
};

// The parts: each adds one or more findings about its subject.
void judge_eviction(const redis::NodeFacts& node, Findings& findings);
void judge_persistence(const redis::NodeFacts& node, bool is_private, Findings& findings);
void judge_clients(const redis::NodeFacts& node, Findings& findings);
void judge_scripts(const redis::NodeFacts& node, Findings& findings);
void judge_pubsub(const redis::NodeFacts& node, Findings& findings);
void judge_replication(const redis::NodeFacts& node, bool fails_over, Findings& findings);
void judge_sentinel(const redis::NodeFacts& node, Findings& findings);

/// Where the replicas of this server are, as it knows them.
[[nodiscard]] std::vector<redis::Endpoint::Address> replicas_of(const redis::NodeFacts& node);

/// The number that a field holds; none: it does not, or is not there.
[[nodiscard]] std::optional<std::int64_t> number_in(const redis::NodeFacts::Fields& fields,
                                                    std::string_view name);
/// The text of a field; empty: it is not there.
[[nodiscard]] std::string text_in(const redis::NodeFacts::Fields& fields, std::string_view name);

}  // namespace dlock::detail
