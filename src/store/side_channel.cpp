// SideChannel: commands and scripts over connections beside the client's shared ones.
#include "store/side_channel.hpp"

#include <string>
#include <utility>
#include <vector>

#include "core/wire/keys.hpp"
#include "dlock/error.hpp"

namespace dlock::detail {

using std::chrono::milliseconds;

SideChannel::SideChannel(const StoreConfig& config, const redis::Endpoint& endpoint,
                         std::stop_token stop)
    : config_(config),
      timeout_(config.options.request_timeout),
      servers_(config, endpoint, std::move(stop)) {
  (void)servers_.all();
}

void SideChannel::fail(std::string_view error_reply, std::string_view key) const {
  const auto error = redis::classify(error_reply);
  const bool is_misused = error.code == errc::not_a_lock;
  throw_error(error.code, config_.url + ": " + (is_misused ? core::misuse_of(key) : error.what));
}

const redis::Reply& SideChannel::element(const redis::Reply& reply, std::size_t index) {
  static const auto& none = *new redis::Reply;
  return index < reply.elements.size() ? reply.elements[index] : none;
}

// While a cluster settles, it may say a few times that the key is elsewhere.
redis::Reply SideChannel::ask(std::string_view key, std::span<const std::string_view> fields) {
  constexpr int max_moves = 5;
  ++commands_;
  auto reply = servers_.of(key).call(fields, timeout_);
  for (int moves = 0; moves < max_moves && reply.kind == redis::ReplyView::Kind::error &&
                      reply.text.starts_with("MOVED ");
       ++moves) {
    servers_.look_again();
    ++commands_;
    reply = servers_.of(key).call(fields, timeout_);
  }
  return reply;
}

redis::Reply SideChannel::call(std::span<const std::string_view> fields) {
  auto reply = ask(fields[1], fields);
  if (reply.kind == redis::ReplyView::Kind::error) fail(reply.text, fields[1]);
  return reply;
}

std::string SideChannel::text_at(const std::string& key) {
  constexpr std::string_view last_byte = "1048575";
  try {
    return call({"GETRANGE", key, "0", last_byte}).text;
  } catch (const StoreUnusable& error) {
    if (error.reason() != errc::not_a_lock) throw;
    return {};
  }
}

redis::Reply SideChannel::call_on(redis::Connection& server,
                                  std::initializer_list<std::string_view> fields,
                                  milliseconds longer) {
  ++commands_;
  auto reply = server.call(fields, timeout_ + longer);
  if (reply.kind == redis::ReplyView::Kind::error) fail(reply.text, {});
  return reply;
}

std::vector<std::string> SideChannel::next_page(Walk& walk) {
  const auto servers = servers_.all();
  std::vector<std::string> keys;
  if (walk.server < servers.size()) {
    const auto reply = call_on(*servers[walk.server], {"SCAN", walk.cursor, "COUNT", "500"});
    for (const auto& key : element(reply, 1).elements) keys.push_back(key.text);
    walk.cursor = element(reply, 0).text;
    if (walk.cursor == "0") ++walk.server;
  }
  walk.is_over = walk.server >= servers.size();
  return keys;
}

redis::Reply SideChannel::run(const script::Script& script, std::span<const std::string> keys,
                              std::span<const std::string_view> arguments) {
  const auto key_count = std::to_string(keys.size());
  std::vector<std::string_view> fields{"EVALSHA", servers_.of(keys.front()).word_for(script, false),
                                       key_count};
  fields.insert(fields.end(), keys.begin(), keys.end());
  fields.insert(fields.end(), arguments.begin(), arguments.end());
  auto reply = ask(keys.front(), fields);
  constexpr int max_repeats = 3;
  for (int i = 0; i < max_repeats && reply.kind == redis::ReplyView::Kind::error; ++i) {
    auto& server = servers_.of(keys.front());
    if (!server.lacks_script(reply.text, false)) break;
    fields[0] = "EVAL";
    fields[1] = server.word_for(script, true);
    reply = ask(keys.front(), fields);
  }
  if (reply.kind == redis::ReplyView::Kind::error) fail(reply.text, keys.front());
  return reply;
}

}  // namespace dlock::detail
