// WaitsFor: notes in the store about who waits for what, and the rings that they form.
#include "deadlock/waits_for.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "core/wire/command.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"

namespace dlock::detail {
namespace {

constexpr std::string_view note_life_ms =
    "10000";  // a note that nobody renews belongs to a dead client
// Limits of one search, which every long wait does every two seconds.
constexpr std::size_t max_locks = 64;
constexpr std::size_t max_notes = 256;

// The holders that all must let go. A semaphore with several holders has none: any may let go.
std::vector<std::string> followed(const LockInfo& lock) {
  std::vector<std::string> tokens;
  if (lock.foreign || (lock.kind == LockKind::semaphore && lock.holders.size() > 1)) return tokens;
  for (const auto& holder : lock.holders) tokens.push_back(holder.token);
  return tokens;
}

}  // namespace

std::optional<Note> parse_note(std::string_view text) {
  core::Words words{text};
  Note note;
  note.wait = words.next();
  if (!core::parse_number(words.next(), note.renewed)) return std::nullopt;
  note.key = words.rest();
  return note;
}

bool is_confirmed(Ring& suspected, const Ring& seen) {
  const bool same = std::ranges::equal(seen, suspected, [](const Link& now, const Link& then) {
    return now.key == then.key && now.token == then.token && now.note.wait == then.note.wait;
  });
  if (!same) {
    suspected = seen;
    return false;
  }
  // Compares with the first sight of the ring, so that all have had time to renew their notes.
  return std::ranges::equal(seen, suspected, [](const Link& now, const Link& then) {
    return now.note.renewed > then.note.renewed;
  });
}

std::string describe(LockReader& store, const Ring& ring, std::string_view prefix) {
  const auto links = links_of(store, ring, prefix);
  std::string text = "deadlock";
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto& [name, holder] = links[i];
    text += (i == 0 ? ": \"" : "; \"") + name + "\" is held by ";
    if (holder.host.empty()) {
      text += "client " + holder.client;
    } else {
      text += holder.host + ':' + std::to_string(holder.pid) + ' ' + holder.program;
      text += holder.label.empty() ? "" : " (" + holder.label + ')';
    }
    text += ", which waits for \"" + links[(i + 1) % links.size()].name + '"';
  }
  if (links.size() == 1) {
    return text + ". The waiting thread already holds it, or the `dlock run` around it does";
  }
  return text +
         ". This wait gives up so that the others can go on: take locks in the same order "
         "everywhere";
}

std::vector<DeadlockLink> links_of(LockReader& store, const Ring& ring, std::string_view prefix) {
  std::map<std::string, LockInfo> locks;
  for (const auto& link : ring) locks[link.key].holder.client = core::client_of(link.token);
  store.name_parties(locks);
  std::vector<DeadlockLink> links;
  for (const auto& link : ring) {
    const std::string_view key = link.key;
    links.push_back({std::string{key.starts_with(prefix) ? key.substr(prefix.size()) : key},
                     locks[link.key].holder});
  }
  return links;
}

void WaitsFor::write(const std::string& token, const Note& note) {
  const auto text = note.wait + ' ' + std::to_string(note.renewed) + ' ' + note.key;
  store_.call({"SET", core::note_key(token), text, "PX", note_life_ms});
}

void WaitsFor::erase(const std::string& token) { store_.call({"DEL", core::note_key(token)}); }

std::optional<Note> WaitsFor::read(const std::string& token) {
  return parse_note(store_.text_at(core::note_key(token)));
}

// A search over the holders and notes of one source.
template <class Source>
struct WaitsFor::Search {
  Source& source;
  std::span<const std::string> tokens;
  const Note& own;
  std::set<std::string> seen{};
  Ring way{};

  bool follow(const std::string& key) {
    if (seen.size() >= max_locks || !seen.insert(key).second) return false;
    const auto holders = source.holders_of(key);
    for (const auto& token : holders) {
      if (std::ranges::find(tokens, token) != tokens.end()) {
        way.push_back({key, token, own});
        return true;
      }
    }
    for (const auto& token : holders) {
      auto note = source.note_of(token);
      if (!note) continue;
      const auto next = note->key;
      way.push_back({key, token, std::move(*note)});
      if (follow(next)) return true;
      way.pop_back();
    }
    return false;
  }
};

// Source: the live store, asked a limited number of times.
struct WaitsFor::Live {
  WaitsFor& notes;
  std::int64_t turn;
  const Ring& suspected;
  std::size_t read = 0;

  std::vector<std::string> holders_of(const std::string& key) {
    auto& store = notes.store_;
    const auto lock = store.holders_of(key, turn);
    auto holders = lock ? followed(*lock) : std::vector<std::string>{};
    const auto link = std::ranges::find(suspected, key, &Link::key);
    if (link == suspected.end() || holders.size() < 2) return holders;
    // This lock needs another look, because this turn's part may not contain that holder.
    const auto place = std::ranges::find(holders, link->token);
    if (place != holders.end()) {
      std::iter_swap(holders.begin(), place);
    } else if (!store.call({"ZSCORE", key, link->token}).text.empty()) {
      holders.insert(holders.begin(), link->token);
    }
    return holders;
  }
  std::optional<Note> note_of(const std::string& token) {
    return read++ < max_notes ? notes.read(token) : std::nullopt;
  }
};

// Source: everything that existed at one time.
struct WaitsFor::Snapshot {
  std::map<std::string, Note> notes{};
  std::map<std::string, std::vector<std::string>> holders{};

  const std::vector<std::string>& holders_of(const std::string& key) { return holders[key]; }
  std::optional<Note> note_of(const std::string& token) const {
    const auto found = notes.find(token);
    return found == notes.end() ? std::nullopt : std::optional{found->second};
  }
};

std::optional<Ring> WaitsFor::ring(const std::string& key, std::span<const std::string> tokens,
                                   const Note& own, const Ring& suspected) {
  Live live{*this, own.renewed, suspected};
  Search<Live> search{live, tokens, own};
  if (!search.follow(key)) return std::nullopt;
  return std::move(search.way);
}

std::vector<Ring> WaitsFor::rings() {
  std::set<std::string> tokens;  // a scan may return a key twice
  const auto prefix = core::note_key("");
  store_.scan(prefix + '*', "string", [&](const std::vector<std::string>& keys) {
    for (const auto& key : keys) tokens.insert(key.substr(prefix.size()));
  });
  return rings_among(read_all(std::vector<std::string>{tokens.begin(), tokens.end()}));
}

std::map<std::string, Note> WaitsFor::read_all(std::span<const std::string> tokens) {
  std::map<std::string, Note> notes;
  for (const auto& token : tokens) {
    if (auto note = read(token)) notes.emplace(token, std::move(*note));
  }
  return notes;
}

std::vector<Ring> WaitsFor::rings_among(std::map<std::string, Note> notes) {
  Snapshot all{.notes = std::move(notes)};
  std::set<std::string> awaited;
  for (const auto& [token, note] : all.notes) awaited.insert(note.key);
  const std::vector<std::string> keys{awaited.begin(), awaited.end()};
  for (const auto& [key, lock] : store_.look(keys, LockReader::Wanted::used)) {
    all.holders.emplace(key, followed(lock));
  }

  std::vector<Ring> rings;
  std::set<std::string> in_rings;
  for (const auto& [token, note] : all.notes) {
    if (in_rings.contains(token)) continue;
    const std::array own{token};
    Search<Snapshot> search{all, own, note};
    if (!search.follow(note.key)) continue;
    for (const auto& link : search.way) in_rings.insert(link.token);
    rings.push_back(std::move(search.way));
  }
  return rings;
}

}  // namespace dlock::detail
