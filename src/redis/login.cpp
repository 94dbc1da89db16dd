// Log-in: the first commands on a connection, and the meaning of their replies.
#include "redis/login.hpp"

#include <charconv>

namespace dlock::redis {
namespace {

template <class Number>
bool read_number(std::string_view text, Number& number) {
  return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{};
}

}  // namespace

std::vector<std::vector<std::string>> login_commands(const Endpoint& endpoint,
                                                     const std::string& client_name) {
  std::vector<std::string> hello{"HELLO", "3"};
  if (!endpoint.user.empty() || !endpoint.password.empty()) {
    hello.insert(hello.end(),
                 {"AUTH", endpoint.user.empty() ? "default" : endpoint.user, endpoint.password});
  }
  if (!client_name.empty()) hello.insert(hello.end(), {"SETNAME", client_name});
  std::vector<std::vector<std::string>> commands{std::move(hello)};
  if (endpoint.db != 0) commands.push_back({"SELECT", std::to_string(endpoint.db)});
  return commands;
}

Greeting read_greeting(const Reply& reply) {
  Greeting greeting;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    const auto& name = reply.elements[i].text;
    const auto& value = reply.elements[i + 1].text;
    if (name == "id") {
      if (!read_number(value, greeting.id)) greeting.id = 0;
    } else if (name == "server") {
      greeting.server = value;
    } else if (name == "version") {
      greeting.version = value;
    } else if (name == "mode") {
      greeting.mode = value;
    } else if (name == "role") {
      greeting.role = value;
    }
  }
  if (greeting.version.empty()) {
    throw Unreachable(errc::unreachable,
                      "the server there is not Redis or Valkey; check the host and the port");
  }
  return greeting;
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

void check_greeting(const Greeting& greeting, Endpoint::Kind kind) {
  int major = 0;
  if (!read_number(greeting.version, major) || major < 7) {
    throw StoreUnusable(errc::store_unusable,
                        "the server is " + greeting.server + " " + greeting.version +
                            "; Redis 7.0 or newer, or Valkey, is needed (for SPUBLISH): upgrade it "
                            "or use another server");
  }
  if (greeting.mode == "sentinel") {
    throw StoreUnusable(errc::store_unusable,
                        "this is a Sentinel, which stores nothing; use "
                        "redis+sentinel://host:port/service");
  }
  const bool in_cluster = greeting.mode == "cluster";
  if (in_cluster && kind != Endpoint::Kind::cluster_node) {
    throw StoreUnusable(errc::store_unusable,
                        "this is a node of a cluster; use redis+cluster://host:port");
  }
  if (!in_cluster && kind == Endpoint::Kind::cluster_node) {
    throw StoreUnusable(errc::store_unusable,
                        "this is not a node of a cluster; use redis://host:port");
  }
}

void check_sentinel(const Greeting& greeting) {
  if (greeting.mode != "sentinel") {
    throw StoreUnusable(errc::store_unusable,
                        "this is not a Sentinel but a server; use redis://host:port");
  }
}

void throw_login_error(const Endpoint& endpoint, std::string_view command,
                       std::string_view error_reply) {
  const auto says = [&](std::string_view words) {
    return error_reply.find(words) != error_reply.npos;
  };
  if (command == "HELLO" && (says("unknown command") || error_reply.starts_with("NOPROTO"))) {
    throw StoreUnusable(errc::store_unusable,
                        "the server does not know HELLO 3; Redis 7.0 or newer, or Valkey, is "
                        "needed: upgrade it or use another server");
  }
  if (command == "SELECT" && (says("out of range") || says("invalid DB") || says("cluster mode"))) {
    throw UsageError(errc::usage, "the server has no database " + std::to_string(endpoint.db) +
                                      "; use a smaller number in the URL, or none");
  }
  const auto error = classify(error_reply);
  throw_error(error.code, error.what);
}

}  // namespace dlock::redis
