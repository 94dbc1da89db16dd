// A snapshot as Prometheus reads it.
#include "cli/serve/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include "cli/survey/listing.hpp"
#include "inspect/glob.hpp"
#include "metrics/exposition.hpp"

namespace dlock::cli {

namespace {

using Type = detail::Exposition::Type;

constexpr std::size_t max_of_patterns = 200;

template <class Number>
std::uint64_t count(Number number) {
  return static_cast<std::uint64_t>(number);
}

double seconds(std::chrono::milliseconds span) { return static_cast<double>(span.count()) / 1000; }

struct Rows {
  std::vector<Row> locks{};      ///< the longest queues first
  std::vector<Row> elections{};  ///< 200 at most, as in the snapshot
};

Rows rows_of(const Snapshot& snapshot, runtime::BootTime now) {
  Rows rows;
  for (auto& row : list_rows(snapshot, {}, now)) {
    const bool has_leader = is_election(snapshot, row.lock->info.name);
    (has_leader ? rows.elections : rows.locks).push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> rows_with_series(const std::vector<Row>& rows, const MetricsOptions& options) {
  std::vector<Row> chosen;
  std::size_t busiest = 0;
  std::size_t matching = 0;
  for (const auto& row : rows) {
    const auto matches = [&row](const std::string& pattern) {
      return detail::matches_glob(pattern, row.lock->info.name);
    };
    if (std::ranges::any_of(options.patterns, matches) && matching < max_of_patterns) {
      ++matching;
      chosen.push_back(row);
    } else if (busiest < options.busiest) {
      ++busiest;
      chosen.push_back(row);
    }
  }
  return chosen;
}

template <class Value>
void add_series(detail::Exposition& text, const std::vector<Row>& rows, std::string_view name,
                std::string_view help, Value value) {
  text.family(name, Type::gauge, help);
  for (const auto& row : rows) text.add(value(row), {{"name", row.lock->info.name}});
}

}  // namespace

std::string metrics_text(const Snapshot& snapshot, const MetricsOptions& options,
                         runtime::BootTime now) {
  const auto totals = totals_of(snapshot, now);
  const auto rows = rows_of(snapshot, now);
  std::chrono::milliseconds oldest{};
  for (const auto& row : rows.locks) {
    oldest = std::max(oldest, row.held_for.value_or(oldest));
  }
  detail::Exposition text;
  const auto gauge = [&text](std::string_view name, std::string_view help, auto value) {
    text.single(name, Type::gauge, help, value);
  };
  const bool is_up = snapshot.problem.empty() && snapshot.sweeps > 0;
  gauge("dlock_store_up", "Whether the store can be read.", std::uint64_t{is_up});
  gauge("dlock_store_locks", "Locks that somebody holds or waits for.", count(totals.locks));
  gauge("dlock_store_locks_held", "Locks that somebody holds.", count(totals.held));
  gauge("dlock_store_locks_contended", "Locks that somebody waits for.", count(totals.contended));
  gauge("dlock_store_waiters", "Clients in the queues of all locks.", count(totals.waiters));
  gauge("dlock_store_longest_wait_seconds", "The longest present wait for a lock, elections apart.",
        seconds(totals.longest_wait));
  gauge("dlock_store_oldest_holder_seconds",
        "For how long the oldest holder has held its lock, elections apart.", seconds(oldest));
  gauge("dlock_store_deadlocks", "Rings of holders that wait for each other.",
        count(snapshot.rings.size()));
  text.single("dlock_store_sweeps_total", Type::counter, "How often all keys were read.",
              count(snapshot.sweeps));
  gauge("dlock_store_sweep_seconds", "How long it took to read all keys.",
        seconds(snapshot.sweep_took));

  const auto locks = rows_with_series(rows.locks, options);
  add_series(text, locks, "dlock_lock_waiters", "Clients in the queue of the lock.",
             [](const Row& row) { return count(row.lock->info.waiters.size()); });
  add_series(text, locks, "dlock_lock_longest_wait_seconds",
             "The longest present wait for the lock.",
             [](const Row& row) { return seconds(row.longest_wait); });
  add_series(
      text, locks, "dlock_lock_held_seconds", "For how long its holder has held the lock.",
      [](const Row& row) { return seconds(row.held_for.value_or(std::chrono::milliseconds{})); });
  add_series(text, locks, "dlock_lock_handoffs_per_second",
             "How often the lock changes hands, estimated from looks at it.",
             [](const Row& row) { return std::round(row.lock->handoffs * 100) / 100; });
  add_series(text, rows.elections, "dlock_election_led", "Whether somebody leads: 1, or 0.",
             [](const Row& row) { return std::uint64_t{row.lock->info.held}; });
  add_series(text, rows.elections, "dlock_election_candidates",
             "Candidates that wait to become the leader.",
             [](const Row& row) { return count(row.lock->info.waiters.size()); });
  return std::move(text).take();
}

}  // namespace dlock::cli
