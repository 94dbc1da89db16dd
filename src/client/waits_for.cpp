// WaitsFor: who waits for what, as noted in the store, and rings of it.
#include "client/waits_for.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "core/command.hpp"
#include "core/keys.hpp"
#include "core/token.hpp"

namespace dlock::detail {
namespace {

constexpr std::string_view note_life_ms = "10000";  // a note that is not renewed is of the dead
constexpr std::size_t most_locks = 64;              // looked at in one search

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
  // Compared with how it was first seen, so that all have time to renew theirs.
  return std::ranges::equal(seen, suspected, [](const Link& now, const Link& then) {
    return now.note.renewed > then.note.renewed;
  });
}

std::string describe(Inspector& store, const Ring& ring, std::string_view prefix) {
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
  return text +
         ". This wait gives up so that the others can go on: take locks in the same order "
         "everywhere";
}

std::vector<DeadlockLink> links_of(Inspector& store, const Ring& ring, std::string_view prefix) {
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
  return parse_note(store_.call({"GET", core::note_key(token)}).text);
}

// Those without whom nobody gets it. Of a semaphore with several holders any one may let go.
std::vector<std::string> WaitsFor::holders_of(const std::string& key) {
  const std::array keys{key};
  std::vector<std::string> tokens;
  for (const auto& [name, lock] : store_.look(keys, Inspector::Wanted::used)) {
    if (lock.foreign || (lock.kind == LockKind::semaphore && lock.holders.size() > 1)) continue;
    for (const auto& holder : lock.holders) tokens.push_back(holder.token);
  }
  return tokens;
}

struct WaitsFor::Search {
  std::span<const std::string> tokens;
  const Note& own;
  std::set<std::string> seen{};
  Ring way{};
};

bool WaitsFor::follow(Search& search, const std::string& key) {
  if (search.seen.size() >= most_locks || !search.seen.insert(key).second) return false;
  const auto holders = holders_of(key);
  for (const auto& token : holders) {
    if (std::ranges::find(search.tokens, token) != search.tokens.end()) {
      search.way.push_back({key, token, search.own});
      return true;
    }
  }
  for (const auto& token : holders) {
    auto note = read(token);
    if (!note) continue;
    const auto next = note->key;
    search.way.push_back({key, token, std::move(*note)});
    if (follow(search, next)) return true;
    search.way.pop_back();
  }
  return false;
}

std::optional<Ring> WaitsFor::ring(const std::string& key, std::span<const std::string> tokens,
                                   const Note& own) {
  Search search{tokens, own};
  if (!follow(search, key)) return std::nullopt;
  return std::move(search.way);
}

std::vector<Ring> WaitsFor::rings() {
  std::set<std::string> tokens;
  const auto prefix = core::note_key("");
  store_.scan(prefix + '*', "string", [&](const std::vector<std::string>& keys) {
    for (const auto& key : keys) tokens.insert(key.substr(prefix.size()));
  });
  std::vector<Ring> rings;
  std::set<std::string> in_rings;
  for (const auto& token : tokens) {
    const auto note = in_rings.contains(token) ? std::nullopt : read(token);
    if (!note) continue;
    const std::array own{token};
    if (auto found = ring(note->key, own, *note)) {
      for (const auto& link : *found) in_rings.insert(link.token);
      rings.push_back(std::move(*found));
    }
  }
  return rings;
}

}  // namespace dlock::detail
