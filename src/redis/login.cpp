// Log-in: the first commands on a connection, and the meaning of their replies.
#include "redis/login.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/incoming.hpp"
#include "redis/info.hpp"
#include "runtime/forced_unwind.hpp"

namespace dlock::redis {
namespace {

using Command = std::vector<std::string>;
using Commands = std::vector<Command>;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds shortest_life{100};
constexpr std::chrono::seconds pause{1};  // where they have ended before they came
constexpr std::chrono::hours longest_life{24 * 365};

template <class Number>
bool read_number(std::string_view text, Number& number) {
  return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{};
}

// With TLS 1.3 a server refuses a client's certificate after the handshake, and its alert may be
// lost.
std::string advice(const std::optional<Tls>& tls) {
  if (!tls) return "check that the URL leads to a Redis server, and not to its TLS port";
  return tls->certificate.empty() ? "the server may want a client certificate: add "
                                    "?cert=/path/client.crt&key=/path/client.key"
                                  : "check that the server accepts the client certificate";
}

// --- commands -----------------------------------------------------------------------------------

bool has_credentials(const Endpoint& endpoint) {
  return !endpoint.user.empty() || !endpoint.password.empty();
}

Command hello(const Connection::Settings& settings) {
  const auto& endpoint = settings.endpoint;
  Command command{"HELLO", "3"};
  if (has_credentials(endpoint)) {
    command.insert(command.end(),
                   {"AUTH", endpoint.user.empty() ? "default" : endpoint.user, endpoint.password});
  }
  if (!settings.client_name.empty()) {
    command.insert(command.end(), {"SETNAME", settings.client_name});
  }
  return command;
}

// What HELLO does at once, where the server does not know it. Old servers know no users.
Commands in_place_of_hello(const Endpoint& endpoint, const std::string& client_name) {
  Commands commands;
  if (!endpoint.user.empty()) {
    commands.push_back({"AUTH", endpoint.user, endpoint.password});
  } else if (!endpoint.password.empty()) {
    commands.push_back({"AUTH", endpoint.password});
  }
  if (!client_name.empty()) commands.push_back({"CLIENT", "SETNAME", client_name});
  return commands;
}

// Behind an endpoint of a service there may be many servers, each with a part of the slots. Then it
// refuses a command with keys of several slots. It looks at the keys first, and knows no script
// with this digest.
const Command& probe_of_slots() {
  static const auto& command =
      *new Command{"EVALSHA", std::string(40, '0'), "2", "dlock1:fence", "dlock1:client:{0}"};
  return command;
}

bool may_have_slots(const Connection::Settings& settings) {
  return settings.endpoint.kind == Endpoint::Kind::tcp && !settings.to_sentinel;
}

void add_common(Commands& commands, const Connection::Settings& settings) {
  if (settings.endpoint.db != 0) {
    commands.push_back({"SELECT", std::to_string(settings.endpoint.db)});
  }
  if (may_have_slots(settings)) commands.push_back(probe_of_slots());
}

// --- replies ------------------------------------------------------------------------------------

[[noreturn]] void fail(const Endpoint& endpoint, const Command& command,
                       std::string_view error_reply) {
  const auto says = [&](std::string_view words) {
    return error_reply.find(words) != error_reply.npos;
  };
  if (command[0] == "HELLO" && (says("unknown command") || error_reply.starts_with("NOPROTO"))) {
    throw StoreUnusable(errc::store_unusable,
                        "the server does not know HELLO 3; Redis 7.0 or newer, or Valkey, is "
                        "needed: upgrade it or use another server");
  }
  if (command[0] == "SELECT" &&
      (says("out of range") || says("invalid DB") || says("cluster mode"))) {
    throw UsageError(errc::usage, "the server has no database " + std::to_string(endpoint.db) +
                                      "; use a smaller number in the URL, or none");
  }
  const auto error = classify(error_reply);
  throw_error(error.code, error.what);
}

/// Sends the commands, and calls `take` with each and its reply.
template <class Take>
void ask(Stream& stream, const Endpoint& endpoint, const Commands& commands, Deadline deadline,
         Take take) {
  for (const auto& command : commands) {
    encode(stream.output(), std::vector<std::string_view>{command.begin(), command.end()});
  }
  for (const auto& command : commands) {
    const auto reply = stream.await(is_reply, deadline);
    if (!reply) {
      throw Unreachable(errc::unreachable,
                        stream.problem() + " during log-in; " + advice(endpoint.tls));
    }
    take(command, *reply);
  }
}

Greeting read_greeting(const resp3::Value& value) {
  Greeting greeting;
  const auto reply = tree_of(value);
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    const auto& name = reply.elements[i].text;
    const auto& text = reply.elements[i + 1].text;
    if (name == "id") {
      if (!read_number(text, greeting.id)) greeting.id = 0;
    } else if (name == "server") {
      greeting.server = text;
    } else if (name == "version") {
      greeting.version = text;
    } else if (name == "mode") {
      greeting.mode = text;
    } else if (name == "role") {
      greeting.role = text;
    }
  }
  if (greeting.version.empty()) {
    throw Unreachable(errc::unreachable,
                      "the server there is not Redis or Valkey; check the host and the port");
  }
  greeting.speaks_resp2 = value.type() == resp3::Type::array;
  return greeting;
}

void take_info(const Fields& info, Greeting& greeting) {
  const auto valkey = text_in(info, "valkey_version");
  greeting.server = valkey.empty() ? "redis" : "valkey";
  greeting.version = valkey.empty() ? text_in(info, "redis_version") : valkey;
  greeting.mode = text_in(info, "redis_mode");
  greeting.role = text_in(info, "role");
}

/// Takes the reply to a command other than HELLO.
class Replies {
 public:
  Replies(const Endpoint& endpoint, Greeting& greeting)
      : endpoint_(endpoint), greeting_(greeting) {}

  void take(const Command& command, const resp3::Value& reply) {
    const bool is_error = reply.is_error();
    if (command[0] == "EVALSHA") {
      greeting_.has_slots = is_error && is_of_several_slots(reply.text());
    } else if (command[0] == "CLIENT" && command[1] == "SETNAME") {
      is_named_ = !is_error;
    } else if (command[0] == "CLIENT") {
      // Another connection makes sure of this one by its id and its name.
      if (is_error || !is_named_ || !read_number(reply.text(), greeting_.id)) greeting_.id = 0;
    } else if (is_error && (command[0] != "INFO" || reply.text().starts_with("NOAUTH"))) {
      fail(endpoint_, command, reply.text());
    } else if (command[0] == "INFO") {
      Fields info;
      read_info(reply.text(), info);
      greeting_.run_id = text_in(info, "run_id");
      if (greeting_.version.empty()) take_info(info, greeting_);
    }
  }

 private:
  const Endpoint& endpoint_;
  Greeting& greeting_;
  bool is_named_ = false;
};

bool does_without_hello(std::string_view error_reply) {
  return error_reply.starts_with("NOPROTO") ||
         (error_reply.starts_with("ERR") &&
          error_reply.find("max number of clients") == error_reply.npos);
}

Greeting log_in_without_hello(Stream& stream, const Connection::Settings& settings,
                              Deadline deadline) {
  Greeting greeting;
  greeting.speaks_resp2 = true;
  auto commands = in_place_of_hello(settings.endpoint, settings.client_name);
  add_common(commands, settings);
  if (!settings.client_name.empty()) commands.push_back({"CLIENT", "ID"});
  commands.push_back({"INFO"});
  Replies replies{settings.endpoint, greeting};
  ask(stream, settings.endpoint, commands, deadline,
      [&](const Command& command, const resp3::Value& reply) { replies.take(command, reply); });
  return greeting;
}

// --- judging ------------------------------------------------------------------------------------

// A service may show its cluster as one server, which then does not say where the slots are.
void check_hides_its_cluster(Stream& stream, const Connection::Settings& settings,
                             Deadline deadline) {
  ask(stream, settings.endpoint, Commands{Command{"CLUSTER", "INFO"}}, deadline,
      [](const Command& /*command*/, const resp3::Value& reply) {
        if (!reply.is_error() || classify(reply.text()).code == errc::refused) {
          throw StoreUnusable(errc::store_unusable,
                              "this is a node of a cluster; use redis+cluster://host:port");
        }
      });
}

void check(const Greeting& greeting, const Connection::Settings& settings) {
  const bool is_sentinel = greeting.mode == "sentinel";
  if (settings.to_sentinel) {
    if (is_sentinel) return;
    throw StoreUnusable(errc::store_unusable,
                        "this is not a Sentinel but a server; use redis://host:port");
  }
  int major = 0;
  if (!greeting.version.empty() && (!read_number(greeting.version, major) || major < 7)) {
    throw StoreUnusable(errc::store_unusable,
                        "the server is " + greeting.server + " " + greeting.version +
                            "; Redis 7.0 or newer, or Valkey, is needed (for SPUBLISH): upgrade it "
                            "or use another server");
  }
  if (is_sentinel) {
    throw StoreUnusable(errc::store_unusable,
                        "this is a Sentinel, which stores nothing; use "
                        "redis+sentinel://host:port/service");
  }
  if (settings.endpoint.kind == Endpoint::Kind::cluster_node && !greeting.mode.empty() &&
      greeting.mode != "cluster") {
    throw StoreUnusable(errc::store_unusable,
                        "this is not a node of a cluster; use redis://host:port");
  }
}

}  // namespace

Credentials ask_for_credentials(const CredentialsFunction& ask) {
  try {
    return ask();
  } catch (const std::exception& error) {
    throw Unreachable(errc::unreachable, std::string{"no credentials: "} + error.what());
  } catch (const runtime::ForcedUnwind&) {  // pthread_exit()
    throw;
  } catch (...) {
    throw Unreachable(errc::unreachable, "no credentials: the function threw what is no error");
  }
}

// At three quarters, so that there is time to ask again after a failure.
std::optional<steady_clock::time_point> login_due(const Credentials& credentials) {
  const auto& life = credentials.life;
  if (!life || *life >= longest_life) return std::nullopt;
  return steady_clock::now() + (*life < shortest_life ? pause : *life * 3 / 4);
}

std::vector<std::string> login_command(const Credentials& credentials) {
  if (credentials.user.empty()) return {"AUTH", credentials.password};
  return {"AUTH", credentials.user, credentials.password};
}

Greeting log_in(Stream& stream, const Connection::Settings& settings, Deadline deadline) {
  Commands commands{hello(settings)};
  add_common(commands, settings);
  if (settings.wants_run_id) commands.push_back({"INFO", "server"});
  std::optional<Greeting> greeting;
  std::optional<Replies> replies;
  ask(stream, settings.endpoint, commands, deadline,
      [&](const Command& command, const resp3::Value& reply) {
        if (command[0] != "HELLO") {
          if (replies) replies->take(command, reply);
        } else if (!reply.is_error()) {
          greeting = read_greeting(reply);
          check(*greeting, settings);
          replies.emplace(settings.endpoint, *greeting);
        } else if (settings.to_sentinel || !does_without_hello(reply.text())) {
          fail(settings.endpoint, command, reply.text());
        }
      });
  if (!greeting) {
    greeting = log_in_without_hello(stream, settings, deadline);
    check(*greeting, settings);
  }
  if (greeting->mode == "cluster" && settings.endpoint.kind != Endpoint::Kind::cluster_node) {
    check_hides_its_cluster(stream, settings, deadline);
  }
  return *greeting;
}

void log_in_to_listen(Stream& stream, const Connection::Settings& settings, Deadline deadline) {
  const auto& endpoint = settings.endpoint;
  const auto name = settings.client_name.empty() ? "" : settings.client_name + ":listens";
  ask(stream, endpoint, in_place_of_hello(endpoint, name), deadline,
      [&](const Command& command, const resp3::Value& reply) {
        if (command[0] == "AUTH" && reply.is_error()) fail(endpoint, command, reply.text());
      });
}

// Redis 8.4 and Valkey 9.0 brought it.
DeleteIfEqual delete_if_equal_of(const Greeting& greeting) {
  int major = 0;
  int minor = 0;
  const auto dot = greeting.version.find('.');
  if (!read_number(greeting.version, major) || dot == std::string::npos ||
      !read_number(std::string_view{greeting.version}.substr(dot + 1), minor)) {
    return DeleteIfEqual::none;
  }
  if (greeting.server == "valkey") {
    return major >= 9 ? DeleteIfEqual::delifeq : DeleteIfEqual::none;
  }
  const bool has_delex = greeting.server == "redis" && (major > 8 || (major == 8 && minor >= 4));
  return has_delex ? DeleteIfEqual::delex : DeleteIfEqual::none;
}

}  // namespace dlock::redis
