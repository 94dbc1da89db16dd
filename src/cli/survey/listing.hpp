// Listing: the locks of a snapshot as rows, chosen by a filter and sorted.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/survey/snapshot.hpp"
#include "runtime/boot_time.hpp"

namespace dlock::cli {

enum class SortKey { waiters, longest, held, ttl, handoffs, name };

/// The name of a key, as `--sort` takes it.
[[nodiscard]] std::string_view name_of(SortKey key) noexcept;
[[nodiscard]] std::optional<SortKey> sort_key_of(std::string_view name) noexcept;
[[nodiscard]] SortKey next_key(SortKey key) noexcept;

struct ListingOptions {
  SortKey sort = SortKey::waiters;
  bool reversed = false;
  std::string filter{};  ///< in the name or the holder; with `*`, `?` or `[` a glob for the name
};

/// One lock, with what it is sorted by, at one instant.
struct Row {
  std::shared_ptr<const SeenLock> lock;
  std::optional<std::chrono::milliseconds> held_for;  ///< none: free, or not known
  std::optional<std::chrono::milliseconds> ttl_left;  ///< none: free, or without an end
  std::chrono::milliseconds longest_wait{};
};

/// The rows that the filter accepts. Largest first; ttl and name: smallest first.
[[nodiscard]] std::vector<Row> list_rows(const Snapshot& snapshot, const ListingOptions& options,
                                         runtime::BootTime now);

struct Totals {
  std::size_t locks = 0;
  std::size_t held = 0;
  std::size_t contended = 0;  ///< that somebody waits for
  std::size_t waiters = 0;
  std::chrono::milliseconds longest_wait{};  ///< elections apart
};
[[nodiscard]] Totals totals_of(const Snapshot& snapshot, runtime::BootTime now);

}  // namespace dlock::cli
