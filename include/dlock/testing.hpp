/// @file
/// Help for the tests of programs that use dlock: a server that ends with the test, and a lease
/// that the test takes away. Not included by dlock.hpp.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"

/// What only tests need. Not `testing`, so that `using namespace dlock` does not hide GoogleTest.
namespace dlock::testkit {

/// A Redis server of its own, for one test: empty, fast to start, on a unix socket in a temporary
/// directory, without persistence. It ends with this object, and also when the process is killed.
/// Needs `redis-server` or `valkey-server` in `$PATH` or `$DLOCK_REDIS_SERVER`. Thread-safe.
///
///     dlock::testkit::Server server;
///     dlock::Client client{server.url()};
class DLOCK_API Server {
 public:
  /// Starts the server, and returns when it answers. Throws `Unreachable` if there is no program to
  /// start, or if it does not answer within 10 s.
  Server();
  /// Ends the server and removes its directory.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The URL for a `Client`, for `--url` or `$DLOCK_URL`.
  [[nodiscard]] const std::string& url() const noexcept;
  /// Stops the server's process, so that it answers nothing until `resume()`: clients see a server
  /// that hangs, and leases run out.
  void pause();
  /// Lets a paused server go on. Does nothing for one that is not paused.
  void resume();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Takes the lock of `lease` away, as an operator does with `dlock break`, and returns when the
/// lease knows: `lease.lost()` has been requested and `lease.ensure_held()` throws `LockLost`.
/// `client` is any client of the same server and prefix. Throws `UsageError` if the lease holds
/// nothing, `LockLost` if it was lost before, and `Unreachable` if the server or the holder does
/// not answer within 10 s.
DLOCK_API void lose(Client& client, const Lease& lease);

}  // namespace dlock::testkit
