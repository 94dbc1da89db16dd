// Several mutexes as one lock.
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "c/arguments.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "dlock/acquire_all.hpp"
#include "locks/lock_spec.hpp"

using namespace dlock;

dlock_status dlock_all_new(dlock_client* client, const char* const* names,
                           const std::size_t* lengths, std::size_t count,
                           const dlock_lock_options* options, dlock_lock** lock) {
  return c::make(lock, "lock", [&] {
    c::require(client != nullptr, "client");
    c::require(names != nullptr, "names");
    if (count == 0) {
      throw_error(errc::usage, "the list of names is empty");
    }
    const auto settings = c::lock_options(options);
    std::vector<LeaseSource> all;
    for (std::size_t i = 0; i < count; ++i) {
      c::require(names[i] != nullptr, "one of the names");
      const auto name = c::bytes(names[i], lengths != nullptr ? lengths[i] : DLOCK_TEXT);
      all.emplace_back(std::make_shared<detail::LockSpec>(client->client, name, settings), 0);
    }
    c::Ways ways;
    ways.take_special = [owner = c::kept(client), all = std::move(all)](
                            c::Limit limit, const std::stop_token& stop) -> c::Right {
      return limit ? acquire_all_within(all, *limit, stop) : acquire_all(all, stop);
    };
    return c::handle<dlock_lock>(client->queue(), std::move(ways));
  });
}
