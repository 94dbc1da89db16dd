/// @file
/// The doctor: looks at a client's servers, and says what there endangers or hinders locks.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/until.hpp"

namespace dlock {

/// How bad a finding is.
enum class Grade {
  ok,       ///< as it should be
  note,     ///< good to know, or could not be found out
  warning,  ///< one fault away from a lock that is lost or cannot be had
  danger,   ///< locks can be lost now, while all runs as usual
};

/// `ok`, `note`, `warning`, `danger`.
[[nodiscard]] std::string_view to_string(Grade grade) noexcept;

/// One thing that was looked at.
struct Finding {
  Grade grade = Grade::ok;  ///< how bad it is
  std::string subject;      ///< a word of the list in docs/operations.md: "eviction", "persistence"
  std::string node;         ///< whose: a `CheckedNode::address`; empty: of all together
  std::string what;         ///< what was found
  std::string why;          ///< why it matters; may be empty if all is well
  std::string fix;          ///< what to set or do; empty if nothing
};

/// A server, or a Sentinel.
struct CheckedNode {
  /// An estimate and how far the truth may be from it.
  template <class Value>
  struct Measured {
    Value value{};  ///< the estimate
    Value error{};  ///< the most by which the truth is greater or less
  };
  std::string address;                                  ///< host:port, or the path of a socket
  std::string role;                                     ///< "primary", "replica" or "sentinel"
  std::string version;                                  ///< "redis 7.0.15"; empty: no answer
  std::optional<std::chrono::microseconds> round_trip;  ///< the median
  std::optional<Measured<std::chrono::microseconds>> clock_offset;  ///< its clock less ours
  std::optional<Measured<double>> clock_drift;  ///< gained on our clock, in seconds a second
};

/// What came of it.
struct DLOCK_API Checkup {
  std::vector<CheckedNode> nodes;  ///< all that were asked
  std::vector<Finding> findings;   ///< all of them, also those that are `Grade::ok`

  /// The worst grade of all findings.
  [[nodiscard]] Grade worst() const noexcept;
};

/// How thoroughly to look.
struct CheckupOptions {
  /// How long the clocks are watched: the longer, the smaller the drift that can be seen.
  /// From zero to a year.
  Span clock_span{1'000};
  /// How many keys of a server are walked over at most.
  std::int64_t max_keys = 1'000'000;
  /// Is told how far the walk over the keys is; `total` is 0 if not known.
  std::function<void(std::int64_t walked, std::int64_t total)> progress{};
};

/// Connects to all servers and looks, by commands that change nothing, on connections of its own.
/// A right that the user lacks is a finding. Takes `clock_span` and some round trips. Throws
/// `Unreachable`, `Refused` or `StoreUnusable` if the server that is to have the locks cannot be
/// looked at at all.
[[nodiscard]] DLOCK_API Checkup check_up(Client& client, const CheckupOptions& options = {});

}  // namespace dlock
