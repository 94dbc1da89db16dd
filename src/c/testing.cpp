// dlock/testing.h: a server for one test, and leases that are lost.
#include "dlock/testing.h"

#include <memory>
#include <mutex>
#include <stop_token>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "dlock/testing.hpp"

using namespace dlock;

struct dlock_test_server {
  testkit::Server server;
};

dlock_status dlock_test_server_new(dlock_test_server** server) {
  return c::make(server, "server", [] { return new dlock_test_server; });
}

const char* dlock_test_server_url(const dlock_test_server* server) {
  return server != nullptr ? server->server.url().c_str() : nullptr;
}

dlock_status dlock_test_server_pause(dlock_test_server* server) {
  return c::guarded([&] {
    c::require(server != nullptr, "server");
    server->server.pause();
  });
}

dlock_status dlock_test_server_resume(dlock_test_server* server) {
  return c::guarded([&] {
    c::require(server != nullptr, "server");
    server->server.resume();
  });
}

void dlock_test_server_free(dlock_test_server* server) { delete server; }

namespace {

void lose(Client& client, dlock_lease& lease) {
  const std::lock_guard alone{lease.changing};
  if (const auto* const leadership = lease.as<Leadership>()) {
    testkit::lose(client, leadership->lease());
  } else if (const auto* const all = lease.as<Leases>(); all != nullptr && all->size() > 0) {
    testkit::lose(client, (*all)[0]);
  } else if (const auto* const plain = lease.as<Lease>()) {
    testkit::lose(client, *plain);
  } else {
    throw_error(errc::usage, "an upgradeable lease cannot be lost by this call");
  }
}

}  // namespace

dlock_status dlock_lease_lose(dlock_client* client, dlock_lease* lease) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::check(lease);
    lose(client->client, *lease);
  });
}

dlock_status dlock_lease_lose_queued(dlock_client* client, dlock_lease* lease,
                                     std::uint64_t context) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::check(lease);
    c::in_background(c::queue_of(*lease), {DLOCK_EVENT_DONE, context},
                     [owner = c::kept(client), had = c::kept(lease)](
                         const std::stop_token&, c::Event&) { lose(owner->client, *had); });
  });
}
