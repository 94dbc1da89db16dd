// Holdings: which leases the calling thread must give back itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dlock::detail {

class ClientState;
class LeaseState;

/// Of the calling thread; unlike its std::thread::id never given to another.
[[nodiscard]] std::uint64_t thread_number();

/// The calling thread will give the lease back, as long as the handle is not moved: while it waits
/// for something else, nobody does.
void bind_to_thread(const std::shared_ptr<LeaseState>& lease);

/// The tokens of what the calling thread holds so of this client's locks, and of what the runs hold
/// under which this program was started ($DLOCK_HELD).
[[nodiscard]] std::vector<std::string> tokens_held(const ClientState& client);

}  // namespace dlock::detail
