// Asks one server about itself.
#include "doctor/server_probe.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "dlock/error.hpp"

namespace dlock::redis {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// Readings of the clock in one go, of which the best counts: at most this many, for at most this
// long.
constexpr int readings_at_once = 8;
constexpr std::chrono::milliseconds reading_time{100};

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

std::string display_address(std::string_view host, int port) {
  const bool is_ipv6 = host.find(':') != host.npos;
  const std::string name{host};
  return (is_ipv6 ? "[" + name + "]" : name) + ":" + std::to_string(port);
}

ServerProbe::ServerProbe(const Connection::Settings& settings, std::string address,
                         NodeFacts::Role role, std::chrono::milliseconds timeout,
                         std::string service, std::vector<std::string> url_hosts)
    : timeout_(timeout), service_(std::move(service)) {
  facts_.url_hosts = std::move(url_hosts);
  facts_.address = std::move(address);
  facts_.role = role;
  try {
    connection_ = Connection::open(settings);
    facts_.has_slots = connection_->has_slots();
    facts_.speaks_resp2 = connection_->listener_fd() >= 0;
  } catch (const Error& error) {
    facts_.problem = error.what();
    problem_code_ = error.reason();
  }
}

std::vector<Reply> ServerProbe::call_all(const std::vector<std::vector<std::string>>& commands) {
  if (!answers()) return {};
  try {
    return connection_->call_all(commands, timeout_);
  } catch (const Error& error) {
    facts_.problem = error.what();
    problem_code_ = error.reason();
    connection_.reset();
    return {};
  }
}

Reply ServerProbe::call(const std::vector<std::string>& fields) {
  auto replies = call_all({fields});
  if (replies.empty()) return {};
  if (replies[0].kind == ReplyView::Kind::error) {
    const auto sub = fields.size() > 1 && (fields[0] == "CONFIG" || fields[0] == "SENTINEL");
    facts_.unknown.insert_or_assign(sub ? fields[0] + " " + fields[1] : fields[0],
                                    classify(replies[0].text).what);
  }
  return std::move(replies[0]);
}

void ServerProbe::ask_fields(const std::vector<std::string>& fields, NodeFacts::Fields& into) {
  const auto reply = call(fields);
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    into.insert_or_assign(reply.elements[i].text, reply.elements[i + 1].text);
  }
}

void ServerProbe::ask() {
  NodeFacts::Fields greeting;
  ask_fields({"HELLO"}, greeting);
  facts_.server = greeting["server"];
  facts_.version = greeting["version"];
  const auto info = call({"INFO"});
  if (info.kind == ReplyView::Kind::text) read_info(info.text, facts_.info);
  if (facts_.role == NodeFacts::Role::sentinel) {
    ask_fields({"SENTINEL", "MASTER", service_}, facts_.service);
    facts_.service["ckquorum"] = call({"SENTINEL", "CKQUORUM", service_}).text;
    return;
  }
  if (facts_.version.empty()) {  // it does not know HELLO
    facts_.server = "redis";
    facts_.version = text_in(facts_.info, "redis_version");
  }
  if (greeting["role"] == "replica" || text_in(facts_.info, "role") == "slave") {
    facts_.role = NodeFacts::Role::replica;
  }
  ask_fields({"CONFIG", "GET", "save", "appendfsync", "client-output-buffer-limit",
              "busy-reply-threshold", "min-replicas-to-write", "min-replicas-max-lag", "dir"},
             facts_.config);
}

void ServerProbe::read_clock() {
  std::optional<ClockReading> best;
  const auto until = steady_clock::now() + reading_time;
  for (int i = 0; i < readings_at_once && answers() && (i == 0 || steady_clock::now() < until);
       ++i) {
    const auto begin = steady_clock::now();
    const auto today = system_clock::now();
    const auto reply = call({"TIME"});
    const auto half = (steady_clock::now() - begin) / 2;
    if (reply.elements.size() != 2) return;
    ClockReading reading;
    reading.at = begin + half;
    reading.here = duration_cast<microseconds>(today.time_since_epoch() + half);
    reading.there = std::chrono::seconds{number(reply.elements[0].text)} +
                    microseconds{number(reply.elements[1].text)};
    reading.round_trip = duration_cast<microseconds>(2 * half);
    facts_.round_trips.push_back(reading.round_trip);
    if (!best || reading.round_trip < best->round_trip) best = reading;
  }
  if (best) facts_.clock.push_back(*best);
}

}  // namespace dlock::redis
