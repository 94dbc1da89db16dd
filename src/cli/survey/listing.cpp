// Listing: the locks of a snapshot as rows, chosen by a filter and sorted.
#include "cli/survey/listing.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>

#include "cli/text/lock_text.hpp"
#include "inspect/glob.hpp"

namespace dlock::cli {

namespace {

using std::chrono::milliseconds;

constexpr std::array<std::string_view, 6> key_names{"waiters", "longest",  "held",
                                                    "ttl",     "handoffs", "name"};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  return lower(text).find(part) != std::string::npos;
}

bool accepts(const std::string& filter, const LockInfo& lock) {
  if (filter.empty()) return true;
  if (filter.find_first_of("*?[") != std::string::npos) {
    return detail::matches_glob(filter, lock.name);
  }
  const auto part = lower(filter);
  return contains(lock.name, part) ||
         std::ranges::any_of(lock.holders, [&](const HolderInfo& holder) {
           return contains(describe(holder.party), part);
         });
}

Row row_of(const std::shared_ptr<const SeenLock>& lock, runtime::BootTime now) {
  const auto& info = lock->info;
  const auto passed =
      std::max(std::chrono::duration_cast<milliseconds>(now - lock->seen_at), milliseconds::zero());
  Row row{.lock = lock, .held_for = {}, .ttl_left = {}};
  if (info.held && info.fence != 0) row.held_for = info.since + passed;
  if (info.held && info.ttl_left) {
    row.ttl_left = std::max(*info.ttl_left - passed, milliseconds::zero());
  }
  if (!info.waiters.empty()) row.longest_wait = longest_wait(info) + passed;
  return row;
}

// Greater values come first.
auto rank(const Row& row, SortKey key) {
  const auto& lock = *row.lock;
  const auto count = [](milliseconds span) { return static_cast<double>(span.count()); };
  const auto waiters = static_cast<double>(lock.info.waiters.size());
  double first = 0;
  switch (key) {
    case SortKey::waiters:
    case SortKey::name:
      first = waiters;
      break;
    case SortKey::longest:
      first = count(row.longest_wait);
      break;
    case SortKey::held:
      first = row.held_for ? count(*row.held_for) : -1;
      break;
    case SortKey::ttl:
      first = row.ttl_left ? -count(*row.ttl_left) : -1e18;
      break;
    case SortKey::handoffs:
      first = lock.handoffs;
      break;
  }
  return std::tuple{first, waiters, count(row.longest_wait)};
}

}  // namespace

std::string_view name_of(SortKey key) noexcept { return key_names[static_cast<std::size_t>(key)]; }

std::optional<SortKey> sort_key_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < key_names.size(); ++i) {
    if (key_names[i] == name) return static_cast<SortKey>(i);
  }
  return std::nullopt;
}

SortKey next_key(SortKey key) noexcept {
  return static_cast<SortKey>((static_cast<std::size_t>(key) + 1) % key_names.size());
}

std::vector<Row> list_rows(const Snapshot& snapshot, const ListingOptions& options,
                           runtime::BootTime now) {
  std::vector<Row> rows;
  for (const auto& lock : snapshot.locks) {
    if (accepts(options.filter, lock->info)) rows.push_back(row_of(lock, now));
  }
  if (options.sort != SortKey::name) {
    std::ranges::sort(rows, [&](const Row& a, const Row& b) {
      const auto left = rank(a, options.sort);
      const auto right = rank(b, options.sort);
      return left != right ? left > right : a.lock->info.name < b.lock->info.name;
    });
  }
  if (options.reversed) std::ranges::reverse(rows);
  return rows;
}

Totals totals_of(const Snapshot& snapshot, runtime::BootTime now) {
  Totals totals;
  totals.locks = snapshot.locks.size();
  for (const auto& lock : snapshot.locks) {
    totals.held += lock->info.held ? 1 : 0;
    totals.contended += lock->info.waiters.empty() ? 0 : 1;
    totals.waiters += lock->info.waiters.size();
    if (!is_election(snapshot, lock->info.name)) {
      totals.longest_wait = std::max(totals.longest_wait, row_of(lock, now).longest_wait);
    }
  }
  return totals;
}

}  // namespace dlock::cli
