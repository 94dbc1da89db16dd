// The lock scripts on a real server whose clock stands still.
#include "script/store.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>
#include <stdexcept>

#include "script/scripts.hpp"

namespace dlock::test {

namespace {

using std::to_string;

std::string hex(int number, int width) {
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(width) << number;
  return text.str();
}

std::string in_one_line(const Answer& answer) {
  if (answer.kind == Answer::Kind::nil) return "(nil)";
  if (answer.kind != Answer::Kind::list) {
    return (answer.kind == Answer::Kind::error ? "-" : "") + answer.text;
  }
  std::string line;
  for (const auto& element : answer.elements) {
    line += (line.empty() ? "" : " ") + in_one_line(element);
  }
  return line;
}

RedisServer::Options with(RedisServer::Options options, std::vector<std::string> config,
                          bool persistent) {
  options.config = std::move(config);
  options.persistent = persistent;
  return options;
}

// The pairs of members and numbers in a reply; an error has none.
std::vector<ModelQueue::Entry> entries_of(const Answer& answer) {
  std::vector<ModelQueue::Entry> entries;
  for (std::size_t i = 0; i + 1 < answer.elements.size(); i += 2) {
    entries.push_back({answer.elements[i].text, std::stoll(answer.elements[i + 1].text)});
  }
  return entries;
}

std::vector<std::string> keys_of(const std::string& key) {
  return {key, Store::queue_key(key), Store::seen_key(key), std::string{Store::fence_key}};
}

}  // namespace

std::string make_token(int client, int number, std::string_view claim_ms) {
  // The echo is the beginning of the random part.
  return "dlock1:" + hex(client, 16) + ':' + hex(client * 4096 + number, 8) + std::string(24, 'f') +
         ':' + std::string{claim_ms};
}

std::string channel_of_client(int client) { return "dlock1:c:" + hex(client, 16); }

Store::Store(std::vector<std::string> config, bool persistent)
    : start_(clock_.now()), server_(with(clock_.options(), std::move(config), persistent)) {
  reconnect();
}

void Store::reconnect() {
  other_ = std::make_unique<Link>(server_);
  scripts_ = std::make_unique<Link>(server_.client_socket_path());
  // Keys go when they are looked at, so that a step back of the clock finds the same on each run.
  command({"DEBUG", "SET-ACTIVE-EXPIRE", "0"});
  command({"ACL", "SETUSER", "scripts", "on", "nopass", "allkeys", "allcommands", "allchannels"});
  scripts_->ask({"AUTH", "scripts", "any"});
  may_publish_ = true;
}

void Store::allow_publish(bool allowed) {
  if (allowed != may_publish_) {
    command({"ACL", "SETUSER", "scripts", allowed ? "allchannels" : "resetchannels"});
    may_publish_ = allowed;
  }
}

void Store::reset() {
  allow_publish(true);
  command({"FLUSHALL"});
  clock_.set(start_);
}

std::string Store::command(std::initializer_list<std::string_view> fields) {
  return in_one_line(other_->ask(fields));
}

std::string Store::run(const script::Script& script, const std::vector<std::string>& keys,
                       const std::vector<std::string>& args) {
  const auto key_count = to_string(keys.size());
  std::vector<std::string_view> fields{"EVALSHA", is_plain_ ? script.plain_sha : script.sha,
                                       key_count};
  fields.insert(fields.end(), keys.begin(), keys.end());
  fields.insert(fields.end(), args.begin(), args.end());
  scripts_->send(fields);
  Answer answer = scripts_->read();
  if (answer.text.starts_with("NOSCRIPT")) {
    fields[0] = "EVAL";
    fields[1] = is_plain_ ? script.plain() : script.text;
    scripts_->send(fields);
    answer = scripts_->read();
  }
  return in_one_line(answer);
}

std::string Store::acquire(const StoreModel::Acquire& request) {
  return run(script::acquire, keys_of(request.key),
             {request.token, to_string(request.ttl.count()),
              request.wait   ? "wait"
              : request.keep ? "keep"
                             : "try",
              request.ticket ? to_string(*request.ticket) : "", request.old,
              request.recent ? to_string(*request.recent) : "", request.seal});
}

std::string Store::acquire_bare(const std::string& key, const std::string& token, Millis ttl) {
  scripts_->send({"MULTI"});
  scripts_->send({"SET", key, token, "NX", "PX", to_string(ttl.count())});
  scripts_->send({"GETRANGE", key, "0", to_string(token.size())});
  scripts_->send({"INCR", fence_key});
  scripts_->send({"EXISTS", queue_key(key)});
  scripts_->send({"EXEC"});
  for (int command = 0; command < 5; ++command) scripts_->read();
  return in_one_line(scripts_->read());
}

std::string Store::release_bare(const std::string& key, const std::string& token) {
  return run(script::release_bare, {key}, {token});
}

std::string Store::acquire_all(const std::vector<StoreModel::Acquire>& requests) {
  std::vector<std::string> keys{std::string{fence_key}};
  std::vector<std::string> args{to_string(requests.front().ttl.count())};
  for (const auto& request : requests) {
    const auto own = keys_of(request.key);
    keys.insert(keys.end(), own.begin(), own.begin() + 3);
    args.push_back(request.token);
  }
  return run(script::acquire_all, keys, args);
}

std::string Store::release(const std::string& key, const std::string& token,
                           std::optional<Millis> keep) {
  std::vector<std::string> args{token};
  if (keep) args.push_back(to_string(keep->count()));
  return run(script::release, keys_of(key), args);
}

std::string Store::renew(std::string_view echo, const std::vector<StoreModel::Renewal>& renewals) {
  std::vector<std::string> keys{std::string{fence_key}};
  std::vector<std::string> args{std::string{echo}};
  for (const auto& renewal : renewals) {
    const auto own = keys_of(renewal.key);
    keys.insert(keys.end(), own.begin(), own.begin() + 3);
    args.insert(args.end(), {renewal.token, to_string(renewal.ttl.count()),
                             to_string(renewal.sequence), to_string(renewal.counter)});
  }
  return run(script::renew, keys, args);
}

std::string Store::write_fence(const std::string& key, const std::string& token, Millis ttl,
                               std::int64_t counter) {
  return run(script::write_fence, {key, std::string{fence_key}},
             {token, to_string(ttl.count()), to_string(counter)});
}

std::string Store::break_(const std::string& key, std::int64_t counter, int sequence, bool ask) {
  return run(script::break_, keys_of(key),
             {to_string(counter), to_string(sequence), ask ? "ask" : "force"});
}

std::string Store::break_unrecorded(const std::string& key, const std::string& value) {
  return run(script::break_, keys_of(key), {"", value, "force"});
}

std::string Store::take_permits(const PermitsModel::Acquire& request) {
  const std::string mode =
      std::string{request.wait ? "wait" : "try"} + (request.first ? "_first" : "");
  return run(script::permits_acquire, keys_of(request.key),
             {request.token, to_string(request.ttl.count()), mode,
              request.ticket ? to_string(*request.ticket) : "", request.old,
              to_string(request.capacity), request.seal});
}

std::string Store::release_permits(const std::string& key, const std::string& token) {
  return run(script::permits_release, keys_of(key), {token});
}

std::string Store::renew_permits(std::string_view echo,
                                 const std::vector<PermitsModel::Renewal>& renewals) {
  std::vector<std::string> keys{std::string{fence_key}};
  std::vector<std::string> args{std::string{echo}};
  for (const auto& renewal : renewals) {
    const auto own = keys_of(renewal.key);
    keys.insert(keys.end(), own.begin(), own.begin() + 3);
    args.insert(args.end(),
                {renewal.token, to_string(renewal.ttl.count()), to_string(renewal.counter)});
  }
  return run(script::permits_renew, keys, args);
}

std::string Store::write_permits_fence(const PermitsModel::Renewal& lease, bool is_new) {
  return run(script::permits_write_fence, keys_of(lease.key),
             {lease.token, to_string(lease.ttl.count()), to_string(lease.counter),
              is_new ? "new" : "used"});
}

std::string Store::break_permits(const std::string& key, std::int64_t counter,
                                 std::string_view how) {
  return run(script::permits_break, keys_of(key), {to_string(counter), std::string{how}});
}

std::string Store::resize(const std::string& key, std::int64_t capacity) {
  return run(script::permits_resize, keys_of(key), {to_string(capacity)});
}

std::string Store::at_gate(const script::Script& script, const std::string& key,
                           const std::vector<std::string>& args) {
  auto keys = keys_of(key);
  keys.back() = parts_key(key);
  return run(script, keys, args);
}

LockState Store::state(const std::string& key) {
  const auto queue = queue_key(key);
  const auto seen = seen_key(key);
  other_->send({"GET", key});
  other_->send({"ZRANGE", key, "0", "-1", "WITHSCORES"});
  other_->send({"PTTL", key});
  other_->send({"ZRANGE", queue, "0", "-1", "WITHSCORES"});
  other_->send({"PTTL", queue});
  other_->send({"HGETALL", seen});
  other_->send({"PTTL", seen});
  LockState state;
  const Answer value = other_->read();
  const Answer members = other_->read();
  if (value.kind == Answer::Kind::error && members.kind == Answer::Kind::error) {
    state.value = "(wrong type)";
  } else if (value.kind == Answer::Kind::error) {
    state.value = "permits";
    for (std::size_t i = 0; i + 1 < members.elements.size(); i += 2) {
      state.value += ' ' + members.elements[i].text + '@' + members.elements[i + 1].text;
    }
  } else if (value.kind == Answer::Kind::text) {
    state.value = value.text;
  }
  state.pttl = std::stoll(other_->read().text);
  state.queue = entries_of(other_->read());
  state.queue_pttl = std::stoll(other_->read().text);
  for (const auto& entry : entries_of(other_->read())) state.seen[entry.token] = entry.score;
  state.seen_pttl = std::stoll(other_->read().text);
  return state;
}

GateState Store::gate_state(const std::string& key) {
  const auto queue = queue_key(key);
  const auto third = seen_key(key);
  other_->send({"HGETALL", key});
  other_->send({"PTTL", key});
  other_->send({"ZRANGE", queue, "0", "-1", "WITHSCORES"});
  other_->send({"PTTL", queue});
  other_->send({"HGETALL", third});
  other_->send({"ZRANGE", third, "0", "-1", "WITHSCORES"});
  other_->send({"PTTL", third});
  GateState state;
  const Answer gate = other_->read();
  if (gate.kind == Answer::Kind::error) state.fields["(wrong type)"];
  for (std::size_t i = 0; i + 1 < gate.elements.size(); i += 2) {
    state.fields[gate.elements[i].text] = gate.elements[i + 1].text;
  }
  state.pttl = std::stoll(other_->read().text);
  state.queue = entries_of(other_->read());
  state.queue_pttl = std::stoll(other_->read().text);
  auto seen = entries_of(other_->read());
  std::ranges::sort(seen, {}, &ModelQueue::Entry::token);
  const auto ended = entries_of(other_->read());
  state.third = seen.empty() ? ended : seen;
  state.third_pttl = std::stoll(other_->read().text);
  return state;
}

std::int64_t Store::fence() {
  const auto text = command({"GET", fence_key});
  return text == "(nil)" ? 0 : std::stoll(text);
}

std::int64_t Store::changes() {
  constexpr std::string_view label = "rdb_changes_since_last_save:";
  const auto info = command({"INFO", "persistence"});
  return std::stoll(info.substr(info.find(label) + label.size()));
}

}  // namespace dlock::test
