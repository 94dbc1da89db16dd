// The Semaphore handle.
#include "dlock/semaphore.hpp"

#include <array>

#include "core/wire/keys.hpp"
#include "core/wire/permits.hpp"
#include "dlock/error.hpp"
#include "locks/lock_spec.hpp"
#include "script/scripts.hpp"
#include "store/side_channel.hpp"

namespace dlock {
namespace {

std::int64_t checked_size(std::int64_t size) {
  if (size < 1 || size > core::max_permits) {
    throw_error(errc::usage, "a semaphore has from 1 to " + std::to_string(core::max_permits) +
                                 " permits, not " + std::to_string(size));
  }
  return size;
}

}  // namespace

Semaphore::Semaphore(Client& client, std::string_view name, std::int64_t size, LockOptions options)
    : LeaseSource(std::make_shared<detail::LockSpec>(client, name, options, checked_size(size)),
                  1) {}

LeaseSource Semaphore::permits(std::int64_t count) const { return {spec(), count}; }

void Semaphore::resize(std::int64_t size) {
  if (spec()->client->is_quorum()) {
    throw_error(errc::usage, "a semaphore is not supported with redis+quorum");
  }
  const auto text = std::to_string(checked_size(size));
  const auto& config = spec()->client->config();
  const auto names = core::lock_keys(spec()->key);
  const std::array keys{names.lock, names.queue, names.seen, config.fence_key_for(names.lock)};
  const std::array<std::string_view, 1> arguments{text};
  detail::SideChannel store{config};
  const auto reply = store.run(script::permits_resize, keys, arguments);
  if (reply.text == "shared") {
    throw_error(errc::usage, core::disagreement(names.lock, size, core::shared_capacity));
  }
  spec()->capacity = size;
}

std::int64_t Semaphore::size() const noexcept { return spec()->capacity; }

}  // namespace dlock
