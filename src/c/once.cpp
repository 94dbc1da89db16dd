// Work that is begun once in a period.
#include "dlock/once.hpp"

#include <utility>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "locks/once_lock.hpp"

using namespace dlock;

namespace {

OnceOptions once_options(const dlock_once_options* options) {
  const auto from = c::read_options(options);
  OnceOptions once;
  once.at_least = c::span_of(from.at_least_ms).value_or(once.at_least);
  once.at_most = c::span_of(from.at_most_ms).value_or(once.at_most);
  once.min_replicas = from.min_replicas;
  once.replication_timeout =
      c::span_of(from.replication_timeout_ms).value_or(once.replication_timeout);
  return once;
}

Lease begin(const detail::OnceLock& lock) {
  auto begun = lock.begin();
  if (!begun) {
    throw_error(errc::timed_out, "another client does the work, or did it less than at_least ago");
  }
  return std::move(*begun);
}

}  // namespace

dlock_status dlock_once_begin(dlock_client* client, const char* name, std::size_t length,
                              const dlock_once_options* options, dlock_lease** lease) {
  return c::make(lease, "lease", [&] {
    c::require(client != nullptr, "client");
    return c::handle<dlock_lease>(
        client->queue(), begin({client->client, c::bytes(name, length), once_options(options)}));
  });
}

dlock_status dlock_once_begin_queued(dlock_client* client, const char* name, std::size_t length,
                                     const dlock_once_options* options, std::uint64_t context) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::in_background(
        c::queue_of(*client), {DLOCK_EVENT_ACQUIRED, context},
        [owner = c::kept(client),
         lock = detail::OnceLock{client->client, c::bytes(name, length), once_options(options)}](
            const std::stop_token&, c::Event& event) {
          event.lease = c::handle<dlock_lease>(nullptr, begin(lock));
        });
  });
}
