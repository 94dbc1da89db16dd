// Which rights are missing.
#include "doctor/rights.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

#include "core/wire/keys.hpp"
#include "inspect/glob.hpp"

namespace dlock::detail {
namespace {

using Words = std::vector<std::string>;

constexpr std::array rights{
    Right{"~PREFIX*", Use::client},
    Right{"~dlock1:*", Use::client},
    Right{"&dlock1:c:*", Use::client},
    Right{"+evalsha", Use::client},
    Right{"+eval", Use::client},
    Right{"+ssubscribe", Use::client},
    Right{"+spublish", Use::client},
    Right{"+ping", Use::client},
    Right{"+get", Use::client, true},
    Right{"+set", Use::client, true},
    Right{"+del", Use::client, true},
    Right{"+exists", Use::client, true},
    Right{"+time", Use::client},
    Right{"+incr", Use::client, true},
    Right{"+pexpire", Use::client, true},
    Right{"+pttl", Use::client, true},
    Right{"+zadd", Use::client, true},
    Right{"+zrem", Use::client, true},
    Right{"+zpopmin", Use::client, true},
    Right{"+zrange", Use::client, true},
    Right{"+zscore", Use::client, true},
    Right{"+zrank", Use::client, true},
    Right{"+zmscore", Use::client, true},
    Right{"+zrangebyscore", Use::client, true},
    Right{"+hgetall", Use::client, true},
    Right{"+zcard", Use::client, true},
    Right{"+zcount", Use::client, true},
    Right{"+rename", Use::client, true},
    Right{"+hset", Use::client, true},
    Right{"+hget", Use::client, true},
    Right{"+hdel", Use::client, true},
    Right{"+multi", Use::blocks},
    Right{"+exec", Use::blocks},
    Right{"+client|tracking", Use::watch},
    Right{"+client|caching", Use::watch},
    Right{"+client|list", Use::reconnect},
    Right{"+client|kill", Use::reconnect},
    Right{"&dlock1:l*", Use::candidate},
    Right{"+scan", Use::look},
    Right{"+getrange", Use::look, true},
    Right{"+wait", Use::replicas},
    Right{"+cluster|slots", Use::cluster},
    Right{"+asking", Use::cluster},
};

// Newer servers look only at commands with the right number of arguments, so the script tries each
// number. It gets the argument, and the number of words before them. 2: not allowed, perhaps
// because of an argument.
constexpr std::string_view check_script = R"lua(
local argument = table.remove(ARGV, 1)
local words = tonumber(table.remove(ARGV, 1))
local checked, allowed = pcall(redis.acl_check_cmd, unpack(ARGV))
if checked then
  return allowed and 1 or 0
end
local command = {unpack(ARGV, 1, words)}
for _ = 1, 8 do
  command[#command + 1] = argument
  checked, allowed = pcall(redis.acl_check_cmd, unpack(command))
  if checked then
    return allowed and 1 or 2
  end
end
return redis.error_reply('ERR this server does not know ' .. ARGV[1])
)lua";

// Names that match `pattern`, which ends with a star: the right may be granted more narrowly.
Words samples_of(std::string_view pattern, std::string_view prefix) {
  const auto lock = std::string{prefix} + "dlock-doctor";
  if (pattern == "PREFIX*") return {lock};
  if (pattern == "dlock1:l*") return {core::leader_key(lock)};
  if (pattern == "dlock1:c:*") return {core::channel_of("doctor")};
  const auto keys = core::lock_keys(lock);
  return {keys.queue, keys.seen, std::string{core::fence_key}, core::registration_key("doctor")};
}

// A command that uses these keys.
Words use_of(Words keys) {
  Words command{"EVAL", "x", std::to_string(keys.size())};
  std::ranges::move(keys, std::back_inserter(command));
  return command;
}

// `+client|list` as CLIENT LIST.
Words command_of(std::string_view grant) {
  Words words{{}};
  for (const char c : grant.substr(1)) {
    if (c == '|') {
      words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  return words;
}

// Allowed keys and commands, with which to ask for the other rights.
struct Allowed {
  std::string key;      // none: empty
  std::string publish;  // a command that takes a channel; none, or unknown: empty
  bool may_publish;     // that is unknown
};

// A command that needs this right and otherwise only allowed ones; empty if there is none. EVAL is
// allowed, since it does the asking.
Words probe_of(const Right& right, std::string_view prefix, const Allowed& allowed) {
  const auto name = right.grant.substr(1);
  if (right.grant[0] == '~') return use_of(samples_of(name, prefix));
  if (right.grant[0] == '&') {
    const auto channel = samples_of(name, prefix).front();
    if (!allowed.publish.empty()) return {allowed.publish, channel, channel};
    return allowed.may_publish ? Words{"SSUBSCRIBE", channel} : Words{};
  }
  if (right.keyed && allowed.key.empty()) return {};
  auto words = command_of(right.grant);
  if (right.keyed) words.insert(words.end(), {allowed.key, allowed.key});
  return words;
}

bool takes_channel(std::string_view command) {
  return command == "SSUBSCRIBE" || command == "SPUBLISH";
}

std::vector<redis::Reply> ask(redis::ServerProbe& node, const std::vector<Words>& probes) {
  std::vector<Words> commands;
  for (const auto& probe : probes) {
    const bool is_keyed = probe.size() > 1 && probe[1] == probe.back();
    const auto argument = is_keyed                  ? probe.back()
                          : takes_channel(probe[0]) ? samples_of("dlock1:c:*", {}).front()
                                                    : "0";
    const auto words = is_keyed ? std::size_t{1} : probe.size();
    Words& command = commands.emplace_back(
        Words{"EVAL", std::string{check_script}, "0", argument, std::to_string(words)});
    command.insert(command.end(), probe.begin(), probe.end());
  }
  return node.call_all(commands);
}

std::string grant_of(const Right& right, std::string_view prefix) {
  if (right.grant == "~PREFIX*") return "~" + escape_glob(prefix) + "*";
  return std::string{right.grant};
}

}  // namespace

std::span<const Right> all_rights() { return rights; }

RightsFacts find_missing_rights(redis::ServerProbe& node, std::string_view prefix) {
  const auto locks = samples_of("PREFIX*", prefix);
  const auto beside = samples_of("dlock1:*", prefix);
  const auto first = ask(node, {use_of(locks), use_of(beside), {"SSUBSCRIBE"}, {"SPUBLISH"}});
  RightsFacts facts;
  if (first.empty()) {
    facts.unknown = "the server did not answer";
    return facts;
  }
  if (first[0].kind == redis::ReplyView::Kind::error) {
    facts.unknown = redis::classify(first[0].text).what;
    return facts;
  }
  const auto is_allowed = [&](std::size_t i) { return first[i].text == "1"; };
  const Allowed allowed{is_allowed(0)   ? locks.front()
                        : is_allowed(1) ? beside.front()
                                        : std::string{},
                        is_allowed(2)   ? "SSUBSCRIBE"
                        : is_allowed(3) ? "SPUBLISH"
                                        : std::string{},
                        first[2].text == "2"};
  std::vector<Right> asked;
  std::vector<Words> probes;
  for (const auto& right : rights) {
    auto probe = probe_of(right, prefix, allowed);
    if (probe.empty()) continue;  // unknown until other rights are granted
    asked.push_back(right);
    probes.push_back(std::move(probe));
  }
  const auto replies = ask(node, probes);
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].text == "1") continue;
    facts.missing.push_back(asked[i]);
    facts.grants.push_back(grant_of(asked[i], prefix));
  }
  return facts;
}

}  // namespace dlock::detail
