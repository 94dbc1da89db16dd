// Help for the tests of programs that use dlock.
#include "dlock/testing.hpp"

#include <signal.h>

#include <condition_variable>
#include <mutex>

#include "core/wire/text.hpp"
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"
#include "testkit/test_server.hpp"

namespace dlock::testkit {

using namespace std::chrono_literals;

struct Server::State {
  TestServer server{std::chrono::steady_clock::now() + 10s};
  std::string url = "redis+unix://" + server.socket();
};

Server::Server() : state_(std::make_unique<State>()) {}
Server::~Server() = default;

const std::string& Server::url() const noexcept { return state_->url; }
void Server::pause() { state_->server.signal(SIGSTOP); }
void Server::resume() { state_->server.signal(SIGCONT); }

void lose(Client& client, const Lease& lease) {
  lease.ensure_held();
  std::mutex mutex;
  std::condition_variable told;
  bool is_lost = false;
  const std::stop_callback on_loss{lease.lost(), [&] {
                                     const std::lock_guard guard{mutex};
                                     is_lost = true;
                                     told.notify_all();
                                   }};
  static_cast<void>(break_lock(client, lease.name(), lease.fence()));
  std::unique_lock lock{mutex};
  if (!told.wait_for(lock, 10s, [&] { return is_lost; })) {
    throw Unreachable(errc::unreachable, "the holder of \"" + core::escaped(lease.name()) +
                                             "\" did not learn that its lock was broken");
  }
}

}  // namespace dlock::testkit
