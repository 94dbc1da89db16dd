// Work that is begun once in a period.
#include "dlock/once.hpp"

#include <utility>

#include "c/arguments.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"

using namespace dlock;

dlock_status dlock_once_begin(dlock_client* client, const char* name, std::size_t length,
                              const dlock_once_options* options, dlock_lease** lease) {
  return c::make(lease, "lease", [&] {
    c::require(client != nullptr, "client");
    const auto from = c::read_options(options);
    OnceOptions once;
    once.at_least = c::span_of(from.at_least_ms).value_or(once.at_least);
    once.at_most = c::span_of(from.at_most_ms).value_or(once.at_most);
    once.min_replicas = from.min_replicas;
    once.replication_timeout =
        c::span_of(from.replication_timeout_ms).value_or(once.replication_timeout);
    auto begun = begin_once(client->client, c::bytes(name, length), once);
    if (!begun) {
      throw_error(errc::timed_out, "somebody else does it, or did not long ago");
    }
    return new dlock_lease{client->queue(), std::move(*begun)};
  });
}
