// WaitsFor: notes in the store about who waits for what, and the rings that they form.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/deadlock.hpp"
#include "inspect/lock_reader.hpp"

namespace dlock::detail {

/// A wait of the holder of a token.
struct Note {
  std::string wait;          ///< identifies this wait among those of the same holder
  std::int64_t renewed = 0;  ///< grows while it lasts
  std::string key;           ///< of the lock that the holder waits for
};
/// Nullopt: it is not a note.
[[nodiscard]] std::optional<Note> parse_note(std::string_view text);

/// A lock in a ring: its holder waits for the next lock, the holder of the last for the first.
struct Link {
  std::string key;
  std::string token;  ///< the holder's
  Note note;          ///< of the holder
};
using Ring = std::vector<Link>;

/// Whether `seen` is the `suspected` ring with the same waits, and all of them were renewed since.
/// If it is another ring, it becomes the suspected one.
[[nodiscard]] bool is_confirmed(Ring& suspected, const Ring& seen);

/// The locks and holders of the ring, by names without `prefix`.
[[nodiscard]] std::vector<DeadlockLink> links_of(LockReader& store, const Ring& ring,
                                                 std::string_view prefix);
/// The same for an error message.
[[nodiscard]] std::string describe(LockReader& store, const Ring& ring, std::string_view prefix);

/// The notes of one store. Not thread-safe. Throws the errors of `LockReader`.
class WaitsFor {
 public:
  explicit WaitsFor(LockReader& store) : store_(store) {}

  void write(const std::string& token, const Note& note);
  void erase(const std::string& token);
  [[nodiscard]] std::optional<Note> read(const std::string& token);

  /// Follows the holders of `key`, and what they wait for, back to one of `tokens`. The link of
  /// that token comes last, with `own` as its note. Asks the store a limited number of times: among
  /// many holders it follows some, others for each `own.renewed`, and the `suspected` ring first.
  [[nodiscard]] std::optional<Ring> ring(const std::string& key,
                                         std::span<const std::string> tokens, const Note& own,
                                         const Ring& suspected = {});
  /// All present rings, each once.
  [[nodiscard]] std::vector<Ring> rings();
  /// The notes of these tokens that exist.
  [[nodiscard]] std::map<std::string, Note> read_all(std::span<const std::string> tokens);
  /// The rings among the holders that wrote these notes, each once.
  [[nodiscard]] std::vector<Ring> rings_among(std::map<std::string, Note> notes);

 private:
  template <class Source>
  struct Search;
  struct Live;
  struct Snapshot;

  LockReader& store_;
};

}  // namespace dlock::detail
