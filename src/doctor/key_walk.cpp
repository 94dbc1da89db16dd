// Walking over keys.
#include "doctor/key_walk.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "inspect/glob.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {
namespace {

using redis::Reply;
using Kind = redis::ReplyView::Kind;
using Words = std::vector<std::string>;

constexpr std::int64_t step = 500;  // keys in one SCAN, about
constexpr std::string_view checked_waiters =
    "99";  // last index of those checked: the first hundred of a queue

// From INFO's `db0:keys=5,expires=0,...`; 0: unknown.
std::int64_t key_count(const redis::NodeFacts& facts, int db) {
  constexpr std::string_view name = "keys=";
  const auto found = facts.info.find("db" + std::to_string(db));
  if (found == facts.info.end() || !found->second.starts_with(name)) return 0;
  std::int64_t keys = 0;
  const std::string_view text = found->second;
  std::from_chars(text.data() + name.size(), text.data() + text.size(), keys);
  return keys;
}

bool is_queue(std::string_view key) { return key.starts_with("dlock1:q"); }

// The reply to a command; nullopt if the server is silent or refuses, and then `why` says why.
std::optional<Reply> ask(redis::ServerProbe& node, const Words& command, std::string& why) {
  auto replies = node.call_all({command});
  if (replies.empty()) {
    why = node.facts().problem;
    return std::nullopt;
  }
  if (replies[0].kind == Kind::error) {
    why = redis::classify(replies[0].text).what;
    return std::nullopt;
  }
  return std::move(replies[0]);
}

// The keys of dlock's among `keys` that have no expiry: by name, or by what a lock key holds.
Words endless_among(redis::ServerProbe& node, const Words& keys, std::string& why) {
  std::vector<Words> commands;
  for (const auto& key : keys) commands.push_back({"PTTL", key});
  const auto expiries = node.call_all(commands);
  Words ours, candidates;
  for (std::size_t i = 0; i < expiries.size(); ++i) {
    if (expiries[i].kind == Kind::error && why.empty()) {
      why = redis::classify(expiries[i].text).what;
    }
    if (expiries[i].text != "-1" || keys[i] == core::fence_key) continue;
    (keys[i].starts_with(core::token_prefix) ? ours : candidates).push_back(keys[i]);
  }
  commands.clear();
  for (const auto& key : candidates) {
    commands.push_back({"GETRANGE", key, "0", std::to_string(core::token_prefix.size() - 1)});
    commands.push_back({"ZMSCORE", key, "=capacity", "=used"});
  }
  const auto contents = node.call_all(commands);
  for (std::size_t i = 0; i + 1 < contents.size(); i += 2) {
    const auto& scores = contents[i + 1].elements;
    const bool permits = scores.size() == 2 && scores[0].kind == Kind::text;
    if (contents[i].text == core::token_prefix || permits) ours.push_back(candidates[i / 2]);
  }
  return ours;
}

// The queues that have waiters, but no waiter whose client listens for a grant.
Words orphaned_among(redis::ServerProbe& node, const Words& queues, std::string& why) {
  std::vector<Words> commands;
  for (const auto& queue : queues)
    commands.push_back({"ZRANGE", queue, "0", std::string{checked_waiters}});
  const auto members = node.call_all(commands);
  std::map<std::string, std::set<std::string>> queues_of;  // by channel
  std::set<std::string> orphaned;
  for (std::size_t i = 0; i < members.size(); ++i) {
    for (const auto& token : members[i].elements) {
      if (token.text.size() <= core::token_claim_at) continue;  // the turn of foreign clients
      queues_of[core::channel_of(core::client_of(token.text))].insert(queues[i]);
      orphaned.insert(queues[i]);
    }
  }
  if (queues_of.empty()) return {};
  Words command{"PUBSUB", "SHARDNUMSUB"};
  for (const auto& [channel, names] : queues_of) command.push_back(channel);
  const auto listeners = ask(node, command, why);
  if (!listeners) return {};
  for (std::size_t i = 0; i + 1 < listeners->elements.size(); i += 2) {
    if (listeners->elements[i + 1].text == "0") continue;
    for (const auto& queue : queues_of[listeners->elements[i].text]) orphaned.erase(queue);
  }
  return {orphaned.begin(), orphaned.end()};
}

void append(Words& all, const Words& some) {
  for (const auto& key : some) {
    if (std::ranges::find(all, key) == all.end()) all.push_back(key);  // SCAN repeats itself
  }
}

void look_at(redis::ServerProbe& node, const Words& keys, KeyFacts& facts) {
  append(facts.endless, endless_among(node, keys, facts.unknown));
  Words queues;
  std::ranges::copy_if(keys, std::back_inserter(queues), is_queue);
  append(facts.orphaned, orphaned_among(node, queues, facts.queues_unknown));
}

}  // namespace

KeyFacts walk_keys(redis::ServerProbe& node, const WalkOptions& options) {
  KeyFacts facts;
  Words patterns{escape_glob(options.prefix) + "*"};
  if (!options.prefix.empty()) patterns.emplace_back("dlock1:*");
  const auto count = key_count(node.facts(), options.db);
  facts.total = count * static_cast<std::int64_t>(patterns.size());
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    std::string cursor = "0";
    std::int64_t walked = 0;
    do {
      if (walked >= options.max_keys) {
        facts.cut = true;
        break;
      }
      const auto reply =
          ask(node, {"SCAN", cursor, "MATCH", patterns[i], "COUNT", std::to_string(step)},
              facts.unknown);
      if (!reply || reply->elements.size() != 2) return facts;
      Words keys;
      for (const auto& key : reply->elements[1].elements) keys.push_back(key.text);
      look_at(node, keys, facts);
      if (!facts.unknown.empty()) return facts;
      walked += step;
      facts.walked =
          static_cast<std::int64_t>(i) * count + (count > 0 ? std::min(walked, count) : walked);
      if (options.progress) options.progress(facts.walked, facts.total);
      cursor = reply->elements[0].text;
    } while (cursor != "0");
  }
  return facts;
}

void look_again(redis::ServerProbe& node, KeyFacts& facts) {
  if (facts.orphaned.empty()) return;
  std::string why;
  const auto still = orphaned_among(node, facts.orphaned, why);
  if (why.empty() && node.answers()) facts.orphaned = still;
}

}  // namespace dlock::detail
