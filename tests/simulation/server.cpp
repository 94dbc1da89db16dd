// Server: carries out commands and suffers faults.
#include "simulation/server.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/wire/keys.hpp"
#include "support/permits_model.hpp"

namespace dlock::sim {
namespace {

using core::Verb;
using core::Words;

const std::string foreign_prefix = "redis-py-";
// A waiter that the server has not heard of for so long counts as dead.
constexpr Duration waiter_life = std::chrono::seconds{15};

std::string_view script_of(const core::Command& command) {
  const bool permits = command.kind == core::Kind::permits;
  switch (command.verb) {
    case Verb::acquire:
      return command.bare ? "acquire_bare" : permits ? "permits_acquire" : "acquire";
    case Verb::acquire_all:
      return "acquire_all";
    case Verb::release:
      return command.bare ? "release_bare" : permits ? "permits_release" : "release";
    case Verb::renew:
      return permits ? "permits_renew" : "renew";
    case Verb::write_fence:
      return permits ? "permits_write_fence" : "write_fence";
    default:
      return {};
  }
}

// A block of plain commands.
bool is_block(const core::Command& command) {
  return command.bare && command.verb == Verb::acquire;
}

Answer error(errc code, std::string text, bool passing = false) {
  return {std::move(text), true, false, passing, code};
}

}  // namespace

Server::Server(Stage& stage, Referee& referee, Clock clock, Push push)
    : stage_(stage),
      push_(std::move(push)),
      store_([this](std::string_view channel, std::string_view message) {
        return publish(channel, message);
      }),
      referee_(referee),
      ledger_(stage),
      clock_(clock) {
  referee.add(*this);
}

test::Micros Server::time() const {
  return std::chrono::duration_cast<test::Micros>(clock_.at(stage_.now()).time_since_epoch());
}

void Server::open(LinkId link, ProcessId process) { sessions_[link] = {process, {}}; }

void Server::close(LinkId link) {
  for (auto& [key, watched] : watched_) {
    watched.links.erase(link);
  }
  if (const auto session = sessions_.find(link); session != sessions_.end()) {
    ears_[session->second.channel].erase(link);
    sessions_.erase(session);
  }
}

// --- commands -----------------------------------------------------------------------------------

bool Server::refuses(Fault how) const {
  const auto found = refusals_.find(how);
  return found != refusals_.end() && found->second > stage_.now();
}

std::optional<Answer> Server::refusal(const core::Command& command) const {
  const bool script = !script_of(command).empty();
  if (refuses(Fault::loading) && command.verb != Verb::subscribe) {
    return error(errc::loading, "LOADING Redis is loading the dataset in memory", true);
  }
  if (refuses(Fault::busy) && command.verb != Verb::subscribe) {
    return error(errc::store_unusable, "BUSY Redis is busy running a script", true);
  }
  if (command.verb == Verb::subscribe) {
    return refuses(Fault::deaf) ? std::optional{error(errc::refused, "NOPERM no channels")}
                                : std::nullopt;
  }
  if (script && !command.whole && !is_block(command) &&
      !scripts_.contains({command.kind, command.verb, command.bare})) {
    return Answer{"NOSCRIPT No matching script", true, true, false, errc::store_unusable};
  }
  if (refuses(Fault::read_only) && command.verb != Verb::ping) {
    return error(errc::read_only, "READONLY You can't write against a read only replica.");
  }
  if (refuses(Fault::out_of_memory) &&
      (command.verb == Verb::acquire || command.verb == Verb::acquire_all ||
       command.verb == Verb::enroll)) {
    return error(errc::out_of_memory, "OOM command not allowed when used memory > 'maxmemory'");
  }
  return std::nullopt;
}

Answer Server::execute(LinkId link, const core::Command& command) {
  ++stage_.tally.commands;
  auto refused = refusal(command);
  Answer answer = refused ? std::move(*refused) : run(link, command);
  if (answer.is_error) {
    ledger_.disturbed(sessions_.at(link).process);
  }
  tell_changes(command, link);
  return answer;
}

// Some servers, or their proxies, tell of nothing.
Answer Server::watch(LinkId link, const core::Command& command) {
  if (stage_.random.chance(0.02)) {
    return {.text = "0", .refuses_watch = true};
  }
  std::size_t count = 0;
  for (const auto& key : command.keys) {
    const auto value = store_.state(time(), key).value;
    count += value == "(nil)" ? 0 : 1;
    auto& watched = watched_[key];
    watched.links.insert(link);
    watched.value = value;
  }
  return {.text = std::to_string(count)};
}

void Server::tell_changes(const core::Command& command, LinkId by) {
  if (command.verb == Verb::watch) {
    return;
  }
  const bool many = command.verb == Verb::renew || command.verb == Verb::acquire_all;
  for (std::size_t i = many ? 1 : 0; i < command.keys.size(); i += many ? 3 : command.keys.size()) {
    tell_change(command.keys[i], by);
  }
}

// The client that changes a key is not told, and its watch ends too.
void Server::tell_change(const std::string& key, LinkId by) {
  const auto found = watched_.find(key);
  if (found == watched_.end()) {
    return;
  }
  if (store_.state(time(), key).value == found->second.value) {
    found->second.links.erase(by);  // it may have written the same
    return;
  }
  const auto links = std::move(found->second.links);
  watched_.erase(found);
  for (const auto link : links) {
    if (link != by) {
      tell(link, std::string{changed} + ' ' + key);
    }
  }
}

// Late, or never.
void Server::tell(LinkId link, const std::string& change) {
  if (!stage_.random.chance(0.8)) {
    return;
  }
  ++stage_.tally.told;
  const auto delay = stage_.random.chance(0.8) ? Duration{}
                                               : stage_.random.spread(std::chrono::milliseconds{1},
                                                                      std::chrono::seconds{5});
  stage_.agenda.in(delay, [this, link, change] {
    if (sessions_.contains(link)) {
      push_(link, change);
    }
  });
}

Answer Server::run(LinkId link, const core::Command& command) {
  const auto script = script_of(command);
  if (command.verb == Verb::subscribe) {
    sessions_.at(link).channel = command.keys.at(0);
    ears_[command.keys.at(0)].insert(link);
    return {"OK", false, false, false, {}};
  }
  if (command.verb == Verb::watch) {
    return watch(link, command);
  }
  if (script.empty()) {
    return {command.verb == Verb::ping ? "PONG" : "OK", false, false, false, {}};
  }
  asked(link, command);
  if (is_block(command)) {
    return run_block(command);
  }
  scripts_.insert({command.kind, command.verb, command.bare});
  Answer answer{store_.run(time(), script, command.keys, command.args), false, false, false, {}};
  if (answer.text.starts_with('-')) {
    return error(errc::not_a_lock, answer.text.substr(1));
  }
  observe(command, answer.text);
  if (refuses(Fault::fate_unknown) && stage_.random.chance(0.3)) {
    return error(errc::store_unusable, "ERR something failed after the script had run");
  }
  return answer;
}

// The reply tells what happened, or that this is not known.
Answer Server::run_block(const core::Command& command) {
  Answer answer{.text = store_.run(time(), script_of(command), command.keys, command.args),
                .is_block = true};
  ++stage_.tally.bare;
  Words words{answer.text};
  const bool was_free = words.next() == "OK";
  words.next();
  std::int64_t counter = 0;
  if (was_free && core::parse_number(words.next(), counter) && words.next() == "0") {
    ledger_.offered(command.args.at(0), counter);
  }
  referee_.ran(command.keys.at(0));
  if (refuses(Fault::fate_unknown) && stage_.random.chance(0.3)) {
    answer = {.text = "lost"};
  } else if (refuses(Fault::no_blocks)) {
    answer = {.text = "out of its block", .refuses_blocks = true};
  }
  return answer;
}

void Server::asked(LinkId link, const core::Command& command) {
  const auto& session = sessions_.at(link);
  if (command.verb == Verb::acquire) {
    const auto& key = command.keys.at(0);
    const bool permits = command.kind == core::Kind::permits;
    Ledger::Request request{session.process};
    request.hears = !session.channel.empty() && (!smooth || smooth(link));
    if (command.bare) {
      referee_.asked(key, 1);
      ledger_.asked(key, command.args.at(0), request);
      return;
    }
    request.first =
        permits && (command.args.at(2).ends_with("_first") || !command.args.at(4).empty());
    if (!core::parse_number(command.args.at(3), request.ticket)) {
      request.ticket = 0;
    }
    referee_.asked(key, permits ? std::stoll(command.args.at(5)) : 1);
    ledger_.asked(key, command.args.at(0), request);
  } else if (command.verb == Verb::acquire_all) {
    for (std::size_t i = 1; i < command.args.size(); ++i) {
      ledger_.asked(command.keys.at(3 * i - 2), command.args[i], {session.process});
    }
  } else if (command.verb == Verb::release) {
    ledger_.left(command.args.at(0));
  }
}

// What a reply says of who holds and who waits.
void Server::observe(const core::Command& command, std::string_view reply) {
  if (command.verb == Verb::acquire) {
    const auto& token = command.args.at(0);
    Words words{reply};
    words.next();
    const auto outcome = words.next();
    std::int64_t number = 0;
    if (outcome == "acquired" && core::parse_number(words.next(), number)) {
      handed_out_[number] = token;
    }
    tell_referee();
    if (outcome == "queued") {
      words.next();
      words.next();
      if (core::parse_number(words.next(), number)) {
        ledger_.queued(token, number);
      }
    }
    referee_.ran(command.keys.at(0));
  } else if (command.verb == Verb::release) {
    tell_referee();
    if (reply == "1" || reply.ends_with(" released")) {
      check_idle(command.keys.at(0));
    }
    referee_.ran(command.keys.at(0));
  } else {
    if (command.verb == Verb::acquire_all) {
      Words words{reply};
      words.next();
      const bool acquired = words.next() == "acquired";
      std::int64_t counter = 0;
      for (std::size_t i = 1; acquired && i < command.args.size(); ++i) {
        if (core::parse_number(words.next(), counter)) {
          handed_out_[counter] = command.args[i];
        }
      }
    }
    if (command.verb == Verb::write_fence) {
      stage_.tally.fences_written += reply.ends_with("written") ? 1 : 0;
      stage_.tally.fences_passed += reply.find(" passed ") != reply.npos ? 1 : 0;
    }
    tell_referee();
    for (std::size_t i = 1; i < command.keys.size(); i += 3) {
      referee_.ran(command.keys[i]);
    }
  }
}

// A mutex that was given back goes to a waiter, unless it is the turn of foreign clients.
void Server::check_idle(const std::string& key) {
  const auto state = store_.state(time(), key);
  const bool has_foreigners = std::any_of(state.queue.begin(), state.queue.end(),
                                          [](const auto& entry) { return entry.token == "~"; });
  if (state.value == "(nil)" && state.pttl == -2 && !has_foreigners) {
    ledger_.check_idle(key);
  }
}

// Who became a holder in a script, in the order in which it made them so.
void Server::tell_referee() {
  for (const auto& [counter, token] : std::exchange(handed_out_, {})) {
    ledger_.acquired(token, counter);
  }
}

int Server::publish(std::string_view channel, std::string_view message) {
  const auto found = ears_.find(channel);
  if (found == ears_.end() || found->second.empty()) {
    return 0;
  }
  Words words{message};
  if (words.next() == "grant") {
    const std::string token{words.next()};
    std::int64_t counter = 0;
    if (core::parse_number(words.next(), counter)) {
      ++stage_.tally.granted;
      handed_out_[counter] = token;
    }
  }
  for (const auto link : found->second) {
    push_(link, std::string{message});
  }
  return static_cast<int>(found->second.size());
}

std::map<std::string, OnRecord> Server::holders(const std::string& key) {
  const auto state = store_.state(time(), key);
  std::map<std::string, OnRecord> found;
  for (const auto& [token, end] : test::permits_holders(state.value)) {
    const auto seen = state.seen.find(token);
    if (end > time()) {
      found[token] = {token, seen == state.seen.end() ? 0 : seen->second,
                      clock_.when(core::Instant{end})};
    }
  }
  if (const auto value = core::parse_value(state.value)) {
    auto& record = found[std::string{value->token}];
    record = {std::string{value->token}, value->fence ? value->fence->counter : 0, std::nullopt};
    if (state.pttl >= 0) {
      const auto gone = std::chrono::floor<test::Millis>(time()) + test::Millis{state.pttl + 1};
      record.until = clock_.when(core::Instant{gone});
    }
  }
  return found;
}

// Of a mutex, whoever holds it.
OnRecord Server::look(const std::string& key, const std::string& token) {
  const auto all = holders(key);
  const auto found = all.find(token);
  return found != all.end() ? found->second : all.size() == 1 ? all.begin()->second : OnRecord{};
}

// While it is away, what it forgot counts as held.
std::optional<Time> Server::held_until(const std::string& key, std::string_view client) {
  std::optional<Time> until;
  if (stage_.now() < away_until_) {
    until = Time::max();
  }
  for (const auto& [token, record] : holders(key)) {
    if (core::client_of(token) == client) {
      until = std::max(until, std::optional{record.until.value_or(Time::max())});
    }
  }
  return until;
}

// --- faults -------------------------------------------------------------------------------------

void Server::restart() {
  scripts_.clear();
  refusals_.clear();
}

void Server::restart_from_saved() {
  restart();
  forget("");
  if (saved_) {
    store_ = *saved_;
    store_.drop_wrong_types();  // whoever made them has taken them away meanwhile
    has_old_data_ = true;
    ledger_.order_is_lost();
  }
}

void Server::restart_empty() {
  restart();
  flush_all();
}

void Server::flush_all() {
  forget("");
  store_.flush();
  std::set<LinkId> links;
  for (const auto& [key, watched] : std::exchange(watched_, {})) {
    links.insert(watched.links.begin(), watched.links.end());
  }
  for (const auto link : links) {
    tell(link, std::string{changed});
  }
}

void Server::go_away(Time until) {
  ++stage_.tally.wiped;
  restart();
  ledger_.forgotten("");
  store_.flush();
  away_until_ = until;
  go_down(until);
}

// Whoever holds something holds it no more.
void Server::forget(const std::string& key) {
  for (const auto& [foreign_key, value] : foreign_) {
    if (key.empty() || key == foreign_key) {
      referee_.foreign(foreign_key, std::nullopt);
    }
  }
  std::erase_if(foreign_, [&](const auto& entry) { return key.empty() || key == entry.first; });
  ledger_.forgotten(key);
  referee_.forgotten(key);
}

void Server::refuse(Fault how, Time until) { refusals_[how] = until; }

// --- other users --------------------------------------------------------------------------------

std::string Server::foreign_set(const std::string& key, std::optional<test::Millis> ttl) {
  auto value = foreign_prefix + std::to_string(stage_.now().count());
  if (!store_.foreign_set_nx(time(), key, value, ttl)) {
    return {};
  }
  foreign_[key] = value;
  referee_.foreign(key, stage_.now() + ttl.value_or(std::chrono::hours{1}));
  return value;
}

void Server::foreign_leave(const std::string& key) {
  if (store_.state(time(), key).value.starts_with(foreign_prefix)) {
    delete_lock(key);
  }
}

// Compare and delete, as the others do it.
void Server::foreign_release(const std::string& key, const std::string& value) {
  if (const auto found = foreign_.find(key); found != foreign_.end() && found->second == value) {
    foreign_.erase(found);
    referee_.foreign(key, std::nullopt);
  }
  if (store_.state(time(), key).value == value) {
    store_.foreign_del(time(), key);
  }
  tell_change(key);
}

void Server::delete_lock(const std::string& key) {
  if (stage_.plan.servers > 1) {
    excuse_holders(key);
  } else {
    forget(key);
  }
  store_.foreign_del(time(), key);
  tell_change(key);
}

// One server may not delete what a majority decides. Its holders are excused until the part that
// was deleted would have ended.
void Server::excuse_holders(const std::string& key) {
  ledger_.forgotten(key);
  for (const auto& [token, record] : holders(key)) {
    referee_.excuse(key, core::client_of(token), *record.until);
  }
}

void Server::delete_queue(const std::string& key) {
  store_.drop_queue(key);
  ledger_.forgotten(key);
  referee_.forgotten(key);
}

void Server::delete_seen(const std::string& key) {
  store_.drop_seen(key);
  ledger_.forgotten(key);
  referee_.forgotten(key);
}

void Server::make_wrong_type(const std::string& key) {
  delete_lock(key);
  store_.foreign_wrong_type(key);
}

void Server::break_lock(const std::string& key, bool ask) {
  const auto state = store_.state(time(), key);
  if (!state.seen.empty() && state.value.starts_with("permits")) {
    if (!ask) {
      forget(key);
    }
    const auto counter = state.seen.begin()->second;
    test::PermitsModel{store_}.break_(time(), key, counter, ask ? "ask" : "force");
    tell_change(key);
    return tell_referee();
  }
  const auto value = core::parse_value(state.value);
  if (!value) {
    return;
  }
  if (!ask) {
    forget(key);
  }
  if (value->fence) {
    store_.break_(time(), key, value->fence->counter, value->fence->sequence, ask);
  } else if (ask) {
    static_cast<void>(
        publish(core::channel_of(core::client_of(value->token)), "record " + value->token));
  } else {
    store_.break_unrecorded(time(), key, state.value);
  }
  tell_change(key);
  tell_referee();
}

std::string Server::remains(std::string_view client) {
  std::string found;
  for (const auto& key : store_.remains(time())) {
    const auto state = store_.state(time(), key);
    const auto all = holders(key);
    const bool holds = std::any_of(all.begin(), all.end(), [&](const auto& holder) {
      return core::client_of(holder.first) == client;
    });
    if (client.empty() ? state.pttl != -2 : holds) {
      found += key + " holds " + state.value + "; ";
    }
    for (const auto& [token, ticket] : state.queue) {
      const auto seen = state.seen.find(token);
      const test::Micros heard{seen == state.seen.end() ? std::abs(ticket) : seen->second};
      // A dead waiter's entry is never granted and goes away by itself.
      if (client.empty() || (token.find(client) != token.npos && time() - heard < waiter_life)) {
        found += key + " is awaited by " + token + "; ";
      }
    }
    if (client.empty() && !state.seen.empty()) {
      found += key + " was awaited; ";
    }
  }
  return found;
}

}  // namespace dlock::sim
