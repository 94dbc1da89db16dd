// The sockets that the reader of a dlock_queue polls itself.
#include <unordered_map>
#include <utility>

#include "c/background.hpp"
#include "c/queue.hpp"
#include "c/status.hpp"
#include "locks/lease_state.hpp"

using namespace dlock;

namespace {

constexpr std::uint64_t hung_up = 0;  // where others have the number of a client

}  // namespace

int dlock_queue::sockets() {
  const std::lock_guard lock{mutex_};
  if (!sockets_) {
    sockets_ = std::make_shared<runtime::ReadySockets>();
    hang_up_ = {sockets_, own_end_, hung_up};
  }
  return sockets_->fd();
}

void dlock_queue::forget_sockets() {
  const std::lock_guard lock{mutex_};
  hang_up_ = {};
  sockets_.reset();
}

void dlock_queue::add_client(const std::shared_ptr<detail::Session>& client) {
  const std::lock_guard lock{mutex_};
  if (!sockets_ || has_ended_) {
    return;
  }
  std::erase_if(clients_, [](const auto& entry) { return entry.second.expired(); });
  client->expect_visits(sockets_, ++last_client_);
  clients_.emplace(last_client_, client);
}

// Each client may lose its last handle meanwhile.
template <class Work>
void dlock_queue::for_ready_clients(Work work) {
  for (const auto number : ready_) {
    std::shared_ptr<detail::Session> client;
    {
      const std::lock_guard lock{mutex_};
      if (const auto found = clients_.find(number); found != clients_.end()) {
        client = found->second.lock();
      }
    }
    if (!client) {
      continue;
    }
    c::guarded([&] { work(*client); });
    if (client.use_count() == 1) {
      detail::end_elsewhere(std::move(client));
    }
  }
}

dlock_queue::Found dlock_queue::read() {
  if (!sockets_) {
    return Found::nothing;
  }
  // An only client is likely to be it again, and to ask for the number takes a system call.
  if (is_only_client(ready_) && visit() == Found::events) {
    return Found::events;
  }
  ready_ = sockets_->take(numbers_);
  if (!ready_.empty() && ready_.front() == hung_up) {
    return Found::end;
  }
  return visit();
}

bool dlock_queue::is_only_client(std::span<const std::uint64_t> ready) {
  const std::lock_guard lock{mutex_};
  return ready.size() == 1 && clients_.size() == 1 && clients_.contains(ready.front());
}

dlock_queue::Found dlock_queue::visit() {
  bool was_told = false;
  {
    const std::lock_guard lock{mutex_};
    was_told = std::exchange(is_told_, true);  // it will look by itself
  }
  for_ready_clients([](auto& client) { client.visit(); });
  const std::lock_guard lock{mutex_};
  is_told_ = was_told || !entries_.empty();
  return entries_.empty() ? Found::nothing : Found::events;
}

void dlock_queue::write() {
  for_ready_clients([](auto& client) { client.end_visit(); });
}

dlock_status dlock_queue_sockets(dlock_queue* queue, int* descriptor) {
  return c::guarded([&] {
    c::require(queue != nullptr, "queue");
    c::require(descriptor != nullptr, "descriptor");
    c::check_process(*queue);
    *descriptor = queue->sockets();
  });
}

int dlock_queue_read(dlock_queue* queue) {
  return static_cast<int>(queue != nullptr && !queue->is_forked() &&
                          queue->read() == dlock_queue::Found::events);
}
