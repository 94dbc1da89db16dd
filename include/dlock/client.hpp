/// @file
/// Client: the connection to the lock store, shared by all locks and threads of a process.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dlock/export.h"
#include "dlock/options.hpp"
#include "dlock/stats.hpp"

namespace dlock {

namespace detail {
class Session;
}

/// A client of the lock store. Thread-safe; make one per process and share it. It connects when it
/// is first used, and reconnects by itself. The connection lives on as long as there is a lease, a
/// lock or another handle of it, also when the `Client` is gone: leases are renewed, `lost()` is
/// told, and asynchronous calls begun then are answered, but every new wait ends with `Cancelled`.
///
/// After a `fork()` the child holds nothing: every call on a client, lock or lease of the parent
/// throws `errc::forked` there, and destructors leave the parent's connection alone.
class DLOCK_API Client {
 public:
  /// Does not connect. `url` says where the store is:
  ///
  /// - `redis://[user[:password]@]host[:port][/db]`: one server. `rediss://` is the same with TLS,
  ///   and may end in `?ca=FILE&cert=FILE&key=FILE&name=HOST&verify=no`.
  /// - `redis+sentinel://host[:port],.../service[/db]`: the primary that Sentinels know.
  /// - `redis+cluster://host[:port],...`: a cluster.
  /// - `redis+quorum://host[:port],...`: a majority of independent servers (Redlock).
  /// - `redis+unix:///path[?db=n]`: one server, by its socket.
  /// - `local:` or `local:/directory`: a private server of this user on this machine, started when
  ///   needed. It excludes nobody on another machine.
  ///
  /// `rediss+sentinel:`, `rediss+cluster:` and `rediss+quorum:` use TLS. All parts may be
  /// percent-encoded. Without a URL: that of the environment variable `DLOCK_URL`, and without that
  /// `local:`, unless `DLOCK_REQUIRE_URL` is `1`. The library reads no configuration files.
  /// Throws `UsageError` when an option is not valid, or the URL; an empty one never is.
  explicit Client(std::string_view url = {}, ClientOptions options = {});
  /// Ends all waits with `Cancelled`, and closes. Blocks for at most one request timeout, and one
  /// more while a callback or handler of the user's runs.
  ///
  /// Before it returns, each handler of a pending asynchronous call has been called, the handlers
  /// of its `LeaderWatch`es and the log sink are called for the last time, and losses that were
  /// seen have been told. If a handler still runs after that time, the later ones are destroyed
  /// without being called, and the leases for them are released.
  ///
  /// In one of its own handlers, stop callbacks or sinks it does not wait: the later ones are
  /// called when that one has returned.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Takes over the connection; the other client may only be assigned to or destroyed then.
  Client(Client&&) noexcept = default;
  /// Closes its own as the destructor does, and takes over that of `other`.
  Client& operator=(Client&& other) noexcept;

  /// The URL without its password.
  [[nodiscard]] const std::string& url() const noexcept;

  /// What `stats` returns.
  using Stats = dlock::Stats;
  /// What this client has counted and measured since it was made. All of it is of one moment. Takes
  /// some microseconds, in which other calls of the client wait. Thread-safe.
  [[nodiscard]] Stats stats() const;

  /// For the library's own classes.
  [[nodiscard]] const std::shared_ptr<detail::Session>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<detail::Session> state_;
};

}  // namespace dlock
