// Store URLs: what a user writes to say where the locks live.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::redis {

/// How a connection is encrypted: files in PEM form.
struct Tls {
  std::string ca;           ///< whom we trust; empty: the system's list
  std::string certificate;  ///< ours, with those that lead to its CA; empty: none
  std::string key;          ///< of our certificate; without a passphrase
  std::string name;         ///< whom the server's certificate must be for; empty: the host
  bool verify = true;       ///< false: anybody could be the server
};

/// Where the store is and how to log in there.
struct Endpoint {
  enum class Kind { tcp, unix_socket, local, sentinel };
  Kind kind = Kind::local;
  std::string host;  ///< tcp
  int port = 6379;   ///< tcp
  std::string path;  ///< unix_socket: the socket. local: the server's directory, empty: this user's
  std::optional<Tls> tls;  ///< tcp
  int db = 0;
  std::string user;
  std::string password;

  // sentinel: where the Sentinels are that know the primary, and how to log in there.
  struct Address {
    std::string host;
    int port = 26379;
    friend bool operator==(const Address&, const Address&) = default;
  };
  std::vector<Address> sentinels;
  std::string service;  ///< under which name they know it
  std::string sentinel_user;
  std::string sentinel_password;

  /// The URL again, without the password. The only form that may be printed.
  [[nodiscard]] std::string display() const;
};

/// Parses `redis://[user[:password]@]host[:port][/db]`, `rediss:` in the same form with the options
/// of TLS, `?ca=FILE&cert=FILE&key=FILE&name=HOST&verify=no`, each of which may be missing,
/// `redis+sentinel://[user[:password]@]host[:port][,host[:port]]/service[/db]` with
/// `?sentinel_user=NAME&sentinel_password=WORD`, `redis+unix:///path[?db=n]`, `local:` and
/// `local:/directory`. All parts may be percent-encoded, IPv6 hosts stand in brackets. Throws
/// `UsageError` that says what is wrong and never repeats a password.
[[nodiscard]] Endpoint parse_url(std::string_view url);

}  // namespace dlock::redis
