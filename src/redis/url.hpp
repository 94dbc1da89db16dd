// Store URLs: what a user writes to say where the locks live.
#pragma once

#include <string>
#include <string_view>

namespace dlock::redis {

/// Where the store is and how to log in there.
struct Endpoint {
  enum class Kind { tcp, unix_socket, local };
  Kind kind = Kind::local;
  std::string host;  ///< tcp
  int port = 6379;   ///< tcp
  std::string path;  ///< unix_socket: the socket. local: the server's directory, empty: this user's
  int db = 0;
  std::string user;
  std::string password;

  /// The URL again, without the password. The only form that may be printed.
  [[nodiscard]] std::string display() const;
};

/// Parses `redis://[user[:password]@]host[:port][/db]`, `redis+unix:///path[?db=n]`, `local:` and
/// `local:/directory`; user and password may be percent-encoded, IPv6 hosts stand in brackets.
/// Throws `UsageError` that says what is wrong and never repeats a password.
[[nodiscard]] Endpoint parse_url(std::string_view url);

}  // namespace dlock::redis
