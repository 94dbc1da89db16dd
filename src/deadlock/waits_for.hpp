// WaitsFor: who waits for what, as noted in the store, and rings of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/deadlock.hpp"
#include "inspect/lock_reader.hpp"

namespace dlock::detail {

/// What the holder of a token waits for.
struct Note {
  std::string wait;          ///< tells this wait from others of the same holder
  std::int64_t renewed = 0;  ///< grows while it lasts
  std::string key;           ///< of the lock that is waited for
};
/// None: it is no note.
[[nodiscard]] std::optional<Note> parse_note(std::string_view text);

/// A lock in a ring: its holder waits for the next one's, and that of the last for the first's.
struct Link {
  std::string key;
  std::string token;  ///< the holder's
  Note note;          ///< of the holder
};
using Ring = std::vector<Link>;

/// Whether `seen` is the ring that was `suspected`, of the same waits, and all of them were renewed
/// since. If it is another, that one is suspected from now on.
[[nodiscard]] bool is_confirmed(Ring& suspected, const Ring& seen);

/// Who is in the ring, by names without `prefix`.
[[nodiscard]] std::vector<DeadlockLink> links_of(LockReader& store, const Ring& ring,
                                                 std::string_view prefix);
/// The same for an error message.
[[nodiscard]] std::string describe(LockReader& store, const Ring& ring, std::string_view prefix);

/// The notes of one store. Not thread-safe; throws as `LockReader`.
class WaitsFor {
 public:
  explicit WaitsFor(LockReader& store) : store_(store) {}

  void write(const std::string& token, const Note& note);
  void erase(const std::string& token);
  [[nodiscard]] std::optional<Note> read(const std::string& token);

  /// The way from `key` over its holders, and what they wait for, back to one of `tokens`. That
  /// one's link comes last, with `own` as its note. Asks the store a bounded number of times: of
  /// many holders it follows a part, another for each `own.renewed`, and the way that was
  /// `suspected` first.
  [[nodiscard]] std::optional<Ring> ring(const std::string& key,
                                         std::span<const std::string> tokens, const Note& own,
                                         const Ring& suspected = {});
  /// All rings there are, each once.
  [[nodiscard]] std::vector<Ring> rings();

 private:
  template <class Source>
  struct Search;
  struct Live;
  struct Snapshot;

  LockReader& store_;
};

}  // namespace dlock::detail
