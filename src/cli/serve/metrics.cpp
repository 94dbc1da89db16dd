// A snapshot as Prometheus reads it.
#include "cli/serve/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/survey/listing.hpp"
#include "cli/text/text.hpp"
#include "inspect/glob.hpp"

namespace dlock::cli {

namespace {

constexpr std::size_t max_of_patterns = 200;

double seconds(std::chrono::milliseconds span) { return static_cast<double>(span.count()) / 1000; }

void add_family(std::string& text, std::string_view name, std::string_view type,
                std::string_view help) {
  text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

template <class Number>
void add(std::string& text, std::string_view name, std::string_view type, std::string_view help,
         Number value) {
  add_family(text, name, type, help);
  text += fmt::format("{} {}\n", name, value);
}

// Control characters are escaped as for a terminal; then what the format itself wants.
std::string label_value(std::string_view name) {
  std::string value;
  for (const char c : printable(name)) value.append(c == '"' || c == '\\' ? "\\" : "") += c;
  return value;
}

std::vector<Row> rows_with_series(const Snapshot& snapshot, const MetricsOptions& options,
                                  runtime::BootTime now) {
  const auto rows = list_rows(snapshot, {}, now);
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
void add_series(std::string& text, const std::vector<Row>& rows, std::string_view name,
                std::string_view help, Value value) {
  add_family(text, name, "gauge", help);
  for (const auto& row : rows) {
    text +=
        fmt::format("{}{{name=\"{}\"}} {}\n", name, label_value(row.lock->info.name), value(row));
  }
}

}  // namespace

std::string metrics_text(const Snapshot& snapshot, const MetricsOptions& options,
                         runtime::BootTime now) {
  const auto totals = totals_of(snapshot, now);
  std::chrono::milliseconds oldest{};
  for (const auto& row : list_rows(snapshot, {.sort = SortKey::held}, now)) {
    oldest = row.held_for.value_or(oldest);
    break;
  }
  std::string text;
  add(text, "dlock_store_up", "gauge", "Whether the store can be read.",
      snapshot.problem.empty() && snapshot.sweeps > 0 ? 1 : 0);
  add(text, "dlock_store_locks", "gauge", "Locks that somebody holds or waits for.", totals.locks);
  add(text, "dlock_store_locks_held", "gauge", "Locks that somebody holds.", totals.held);
  add(text, "dlock_store_locks_contended", "gauge", "Locks that somebody waits for.",
      totals.contended);
  add(text, "dlock_store_waiters", "gauge", "Clients in the queues of all locks.", totals.waiters);
  add(text, "dlock_store_longest_wait_seconds", "gauge", "The longest present wait for a lock.",
      seconds(totals.longest_wait));
  add(text, "dlock_store_oldest_holder_seconds", "gauge",
      "For how long the oldest holder has held its lock.", seconds(oldest));
  add(text, "dlock_store_deadlocks", "gauge", "Rings of holders that wait for each other.",
      snapshot.rings.size());
  add(text, "dlock_store_sweeps_total", "counter", "How often all keys were read.",
      snapshot.sweeps);
  add(text, "dlock_store_sweep_seconds", "gauge", "How long it took to read all keys.",
      seconds(snapshot.sweep_took));

  const auto rows = rows_with_series(snapshot, options, now);
  add_series(text, rows, "dlock_lock_waiters", "Clients in the queue of the lock.",
             [](const Row& row) { return row.lock->info.waiters.size(); });
  add_series(text, rows, "dlock_lock_longest_wait_seconds",
             "The longest present wait for the lock.",
             [](const Row& row) { return seconds(row.longest_wait); });
  add_series(
      text, rows, "dlock_lock_held_seconds", "For how long its holder has held the lock.",
      [](const Row& row) { return seconds(row.held_for.value_or(std::chrono::milliseconds{})); });
  add_series(text, rows, "dlock_lock_handoffs_per_second",
             "How often the lock changes hands, estimated from looks at it.",
             [](const Row& row) { return fmt::format("{:.2f}", row.lock->handoffs); });
  return text;
}

}  // namespace dlock::cli
