// Store URLs: parsing and printing. Nothing here ever repeats a password, in part or whole.
#include "redis/url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "dlock/error.hpp"

namespace dlock::redis {
namespace {

constexpr int default_port = 6379;
constexpr int sentinel_port = 26379;

// Parts of the URL are not repeated in messages: a misplaced separator makes a password look like
// a host or a port.
[[noreturn]] void reject(const std::string& what) {
  throw UsageError(errc::usage, "store URL: " + what);
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : std::nullopt;
    if (!high || !low)
      reject("a % must be followed by two hexadecimal digits; write % itself as %25");
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

std::string percent_encode(std::string_view text, std::string_view also_plain) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (plain.find(c) != plain.npos || also_plain.find(c) != also_plain.npos) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', digits[byte / 16], digits[byte % 16]};
    }
  }
  return encoded;
}

// A decimal number from `min` to `max`, with nothing before or after it.
std::optional<int> parse_number(std::string_view text, int min, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.starts_with('-') ||
      value < min || value > max) {
    return std::nullopt;
  }
  return value;
}

template <class Take>
void for_each_part(std::string_view text, char separator, Take take) {
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

int parse_db(std::string_view text) {
  const auto db = parse_number(text, 0, 1'000'000'000);
  if (!db) reject("the database must be a number, as in redis://localhost/0");
  return *db;
}

void parse_user_info(std::string_view text, Endpoint& endpoint) {
  const auto colon = text.find(':');
  endpoint.user = percent_decode(text.substr(0, colon));
  if (colon != text.npos) endpoint.password = percent_decode(text.substr(colon + 1));
}

// [user[:password]@]rest: takes the first part off. It ends with the last @, since a password may
// contain others.
void take_user_info(std::string_view& authority, Endpoint& endpoint) {
  const auto at = authority.rfind('@');
  if (at == authority.npos) return;
  parse_user_info(authority.substr(0, at), endpoint);
  authority.remove_prefix(at + 1);
}

void parse_host_and_port(std::string_view text, std::string& host, int& port_number) {
  std::string_view port;
  bool has_port = false;
  if (take_prefix(text, "[")) {
    const auto close = text.find(']');
    if (close == text.npos) reject("an IPv6 address must end with a bracket, as in redis://[::1]");
    host = percent_decode(text.substr(0, close));
    text.remove_prefix(close + 1);
    has_port = take_prefix(text, ":");
    if (!has_port && !text.empty()) reject("only :port may follow the bracket of an IPv6 address");
    port = text;
  } else {
    const auto colon = text.find(':');
    has_port = colon != text.npos;
    if (has_port) port = text.substr(colon + 1);
    if (port.find(':') != port.npos) {
      reject("an IPv6 address must be in brackets, as in redis://[::1]:6379");
    }
    host = percent_decode(text.substr(0, colon));
  }
  if (host.empty()) reject("the host is missing, as in redis://localhost");
  if (host.find('\0') != std::string::npos) reject("the host contains a zero byte");
  if (!has_port) return;
  const auto number = parse_number(port, 1, 65535);
  if (!number) {
    reject(
        "the port must be a number from 1 to 65535 (in a user or password, write / ? # : @ and % "
        "as "
        "%2F %3F %23 %3A %40 %25)");
  }
  port_number = *number;
}

std::string parse_path(std::string_view text) {
  auto path = percent_decode(text);
  if (path.find('\0') != std::string::npos) reject("the path contains a zero byte");
  return path;
}

/// Takes an option behind the `?` if it is one of TLS.
bool take_tls_option(std::string_view name, const std::string& value, Tls& tls) {
  const auto take = [&](std::string& option) {
    if (value.empty()) reject("the option " + std::string{name} + " has no value");
    option = value;
    return true;
  };
  if (name == "ca") return take(tls.ca);
  if (name == "cert") return take(tls.certificate);
  if (name == "key") return take(tls.key);
  if (name == "name") return take(tls.name);
  if (name != "verify") return false;
  if (value != "yes" && value != "no") reject("verify must be yes or no");
  tls.verify = value == "yes";
  return true;
}

bool take_sentinel_option(std::string_view name, const std::string& value, Endpoint& endpoint) {
  if (name == "sentinel_user") {
    endpoint.sentinel_user = value;
  } else if (name == "sentinel_password") {
    endpoint.sentinel_password = value;
  } else {
    return false;
  }
  return true;
}

void parse_options(std::string_view text, Endpoint& endpoint) {
  const bool sentinel = endpoint.kind == Endpoint::Kind::sentinel;
  for_each_part(text, '&', [&](std::string_view part) {
    const auto equals = part.find('=');
    const auto name = part.substr(0, equals);
    const auto value = equals == part.npos ? std::string{} : parse_path(part.substr(equals + 1));
    if (endpoint.tls && take_tls_option(name, value, *endpoint.tls)) return;
    if (sentinel && take_sentinel_option(name, value, endpoint)) return;
    if (sentinel) {
      reject(
          "the options of redis+sentinel: are sentinel_user and sentinel_password, and with "
          "rediss+sentinel: those of rediss:");
    }
    if (endpoint.tls) reject("the options of rediss: are ca, cert, key, name and verify");
    reject("this URL takes no options after ?; TLS options need rediss:");
  });
  if (endpoint.tls && endpoint.tls->certificate.empty() != endpoint.tls->key.empty()) {
    reject("a client certificate needs both cert=FILE and key=FILE");
  }
}

Endpoint parse_tcp(std::string_view rest, bool tls) {
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::tcp;
  const auto end = rest.find_first_of("/?#");
  auto authority = rest.substr(0, end);
  auto path = end == rest.npos ? std::string_view{} : rest.substr(end);
  take_user_info(authority, endpoint);
  parse_host_and_port(authority, endpoint.host, endpoint.port);
  if (tls) {
    endpoint.tls.emplace();
    const auto question = std::min(path.find('?'), path.size());
    parse_options(path.substr(std::min(question + 1, path.size())), endpoint);
    path = path.substr(0, question);
  }
  if (path.find_first_of("?#") != path.npos) {
    reject(
        "this URL takes no options after ? or #; its form is redis://user:password@host:port/db");
  }
  if (take_prefix(path, "/") && !path.empty()) endpoint.db = parse_db(path);
  return endpoint;
}

// The caller reads the rest behind the host names.
Endpoint parse_several(std::string_view rest, Endpoint::Kind kind, bool tls, int usual_port,
                       std::string_view& path) {
  Endpoint endpoint;
  endpoint.kind = kind;
  if (tls) endpoint.tls.emplace();
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  auto authority = rest.substr(0, end);
  path = rest.substr(end);
  take_user_info(authority, endpoint);
  for_each_part(authority, ',', [&](std::string_view part) {
    auto& address = endpoint.addresses.emplace_back();
    address.port = usual_port;
    parse_host_and_port(part, address.host, address.port);
  });
  const auto question = std::min(path.find('?'), path.size());
  parse_options(path.substr(std::min(question + 1, path.size())), endpoint);
  path = path.substr(0, question);
  take_prefix(path, "/");
  return endpoint;
}

Endpoint parse_sentinel(std::string_view rest, bool tls) {
  std::string_view path;
  auto endpoint = parse_several(rest, Endpoint::Kind::sentinel, tls, sentinel_port, path);
  const auto slash = std::min(path.find('/'), path.size());
  endpoint.service = percent_decode(path.substr(0, slash));
  path = path.substr(slash);
  if (endpoint.addresses.empty() || endpoint.service.empty()) {
    reject(
        "its form is redis+sentinel://host:port,host:port/service, as in "
        "redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/mymaster");
  }
  if (take_prefix(path, "/") && !path.empty()) endpoint.db = parse_db(path);
  return endpoint;
}

Endpoint parse_cluster(std::string_view rest, bool tls) {
  std::string_view path;
  auto endpoint = parse_several(rest, Endpoint::Kind::cluster, tls, default_port, path);
  if (endpoint.addresses.empty()) {
    reject("name one or more nodes, as in redis+cluster://10.0.0.1,10.0.0.2");
  }
  if (!path.empty() && path != "0") reject("a cluster has only database 0");
  return endpoint;
}

Endpoint parse_quorum(std::string_view rest, bool tls) {
  std::string_view path;
  auto endpoint = parse_several(rest, Endpoint::Kind::quorum, tls, default_port, path);
  auto sorted = endpoint.addresses;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.size() < 3 || sorted.size() % 2 == 0) {
    reject(
        "a quorum needs 3, 5 or another odd number of independent servers, as "
        "in redis+quorum://10.0.0.1,10.0.0.2,10.0.0.3");
  }
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    reject("a server is named twice in the quorum");
  }
  if (!path.empty()) endpoint.db = parse_db(path);
  return endpoint;
}

Endpoint parse_unix(std::string_view rest) {
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::unix_socket;
  const auto slash = rest.find('/');
  if (slash == rest.npos)
    reject("the socket's path is missing, as in redis+unix:///run/redis.sock");
  auto authority = rest.substr(0, slash);
  take_user_info(authority, endpoint);
  if (!authority.empty()) {
    reject(
        "a socket's path must start with a slash: three in all, as in "
        "redis+unix:///run/redis.sock");
  }
  auto path = rest.substr(slash);
  const auto question = path.find('?');
  if (question != path.npos) {
    auto query = path.substr(question + 1);
    if (!take_prefix(query, "db=")) reject("the only option is db, as in redis+unix:///path?db=1");
    endpoint.db = parse_db(query);
    path = path.substr(0, question);
  }
  endpoint.path = parse_path(path);
  if (endpoint.path.ends_with('/')) reject("the socket's path must name a socket, not a directory");
  return endpoint;
}

Endpoint parse_local(std::string_view rest) {
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::local;
  if (rest.empty()) return endpoint;
  if (!rest.starts_with('/')) reject("local: needs an absolute directory, as in local:/run/mine");
  endpoint.path = parse_path(rest);
  return endpoint;
}

std::string display_address(const std::string& host, int port, int usual_port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + percent_encode(host, ":") + "]" : percent_encode(host, "")) +
         (port != usual_port ? ":" + std::to_string(port) : "");
}

std::string display_addresses(const Endpoint& endpoint, int usual_port) {
  std::string text;
  for (const auto& [host, port] : endpoint.addresses) {
    text += text.empty() ? "" : ",";
    text += display_address(host, port, usual_port);
  }
  return text;
}

// The options, without passwords.
std::string display_options(const Endpoint& endpoint) {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    text += text.empty() ? '?' : '&';
    text.append(name).append("=").append(percent_encode(value, "/"));
  };
  add("sentinel_user", endpoint.sentinel_user);
  if (const auto& tls = endpoint.tls) {
    add("ca", tls->ca);
    add("cert", tls->certificate);
    add("key", tls->key);
    add("name", tls->name);
    add("verify", tls->verify ? "" : "no");
  }
  return text;
}

}  // namespace

std::string Endpoint::display() const {
  const auto login = user.empty() ? std::string{} : percent_encode(user, "") + "@";
  const std::string scheme = tls ? "rediss" : "redis";
  const auto which_db = db != 0 ? "/" + std::to_string(db) : "";
  switch (kind) {
    case Kind::local:
      return "local:" + percent_encode(path, "/");
    case Kind::unix_socket:
      return "redis+unix://" + login + percent_encode(path, "/") +
             (db != 0 ? "?db=" + std::to_string(db) : "");
    case Kind::sentinel:
      return scheme + "+sentinel://" + login + display_addresses(*this, sentinel_port) + "/" +
             percent_encode(service, "") + which_db + display_options(*this);
    case Kind::cluster:
      return scheme + "+cluster://" + login + display_addresses(*this, default_port) +
             display_options(*this);
    case Kind::quorum:
      return scheme + "+quorum://" + login + display_addresses(*this, default_port) + which_db +
             display_options(*this);
    case Kind::tcp:
    case Kind::cluster_node:
      break;
  }
  return scheme + "://" + login + display_address(host, port, default_port) + which_db +
         display_options(*this);
}

Endpoint Endpoint::at(const Address& address, Kind as) const {
  Endpoint one;
  one.kind = as;
  one.host = address.host;
  one.port = address.port;
  one.tls = tls;
  one.db = db;
  one.user = user;
  one.password = password;
  return one;
}

Endpoint parse_url(std::string_view url) {
  if (take_prefix(url, "redis://")) return parse_tcp(url, false);
  if (take_prefix(url, "rediss://")) return parse_tcp(url, true);
  if (take_prefix(url, "redis+sentinel://")) return parse_sentinel(url, false);
  if (take_prefix(url, "rediss+sentinel://")) return parse_sentinel(url, true);
  if (take_prefix(url, "redis+cluster://")) return parse_cluster(url, false);
  if (take_prefix(url, "rediss+cluster://")) return parse_cluster(url, true);
  if (take_prefix(url, "redis+quorum://")) return parse_quorum(url, false);
  if (take_prefix(url, "rediss+quorum://")) return parse_quorum(url, true);
  if (take_prefix(url, "redis+unix://")) return parse_unix(url);
  if (take_prefix(url, "local:")) return parse_local(url);
  if (url.starts_with("unix:")) reject("write the URL of a socket as redis+unix:///path");
  reject(
      "it must start with local:, redis://, rediss://, redis+sentinel://, redis+cluster://, "
      "redis+quorum:// or redis+unix://");
}

}  // namespace dlock::redis
