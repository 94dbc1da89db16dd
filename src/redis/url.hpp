// Store URLs, by which users say where the locks live.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::redis {

/// How a connection is encrypted: files in PEM form.
struct Tls {
  std::string ca;           ///< the authorities to trust; empty: the system's list
  std::string certificate;  ///< the client's, with the chain to its CA; empty: none
  std::string key;          ///< of the client's certificate; without a passphrase
  std::string name;         ///< the name in the server's certificate; empty: the host
  bool verify = true;       ///< false: anybody could be the server
};

/// Where the store is and how to log in there.
struct Endpoint {
  enum class Kind { tcp, unix_socket, local, sentinel, cluster, cluster_node, quorum };
  Kind kind = Kind::local;
  std::string host;  ///< tcp, cluster_node
  int port = 6379;   ///< tcp, cluster_node
  std::string path;  ///< unix_socket: the socket. local: the server's directory, empty: this user's
  std::optional<Tls> tls;  ///< none: not encrypted
  int db = 0;
  std::string user;
  std::string password;

  /// A server's place.
  struct Address {
    std::string host;
    int port = 6379;
    friend auto operator<=>(const Address&, const Address&) = default;
  };
  /// sentinel: the Sentinels that know the primary. cluster: some of its nodes. quorum: its
  /// servers.
  std::vector<Address> addresses;

  // sentinel: what to ask for, and how to log in there.
  std::string service;  ///< the Sentinels' name for the primary
  std::string sentinel_user;
  std::string sentinel_password;

  /// The URL without the password, the only form to print.
  [[nodiscard]] std::string display() const;
  /// One of several servers, with the same user and encryption.
  [[nodiscard]] Endpoint at(const Address& address, Kind as = Kind::tcp) const;
};

/// Parses `redis://[user[:password]@]host[:port][/db]`, `rediss:` in the same form with the options
/// of TLS, `?ca=FILE&cert=FILE&key=FILE&name=HOST&verify=no`, each of which may be missing,
/// `redis+sentinel://[user[:password]@]host[:port][,host[:port]]/service[/db]` with
/// `?sentinel_user=NAME&sentinel_password=WORD`,
/// `redis+cluster://[user[:password]@]host[:port],...` and `redis+quorum:` in the same form, these
/// three as `rediss+` too, `redis+unix:///path[?db=n]`, `local:` and `local:/directory`. All parts
/// may be percent-encoded, IPv6 hosts stand in brackets. Throws `UsageError` that says what is
/// wrong and never repeats a password.
[[nodiscard]] Endpoint parse_url(std::string_view url);

}  // namespace dlock::redis
