// Visitor: the answers of an event loop's calls, and the clients whose sockets it reads.
#include "dlock/visitor.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "runtime/event_fd.hpp"
#include "runtime/fork.hpp"
#include "runtime/ready_sockets.hpp"
#include "session/event_loop.hpp"
#include "session/session.hpp"

namespace dlock::detail {
namespace {

constexpr std::uint64_t woken = 0;  // where others have the number of a client

}  // namespace

/// `post` and `wake` are thread-safe.
class Visits final : public EventLoop::Executor, public std::enable_shared_from_this<Visits> {
 public:
  using Call = std::shared_ptr<EventLoop::AsyncWaiter>;

  [[nodiscard]] int descriptor() const noexcept { return sockets_->fd(); }

  void wake() noexcept {
    if (!is_told_.exchange(true)) wake_.notify();
  }

  bool post(Call& call) override {
    {
      const std::lock_guard lock{mutex_};
      if (has_ended_) return false;
      calls_.push_back(std::move(call));
    }
    wake();
    return true;
  }

  void take() {
    // An only client is likely to be it again, and to ask for the number takes a system call.
    if (under_way_ > 0 && clients_.size() == 1 && ready_.size() == 1 &&
        clients_.front().number == ready_.front() && visit() > 0) {
      return;
    }
    ready_ = sockets_->take(numbers_);
    if (!ready_.empty() && ready_.front() == woken) wake_.clear();
    // Else for others: their answers, or renewals, which the clients' own threads see to.
    if (visit() == 0 && under_way_ == 0) leave();
  }

  /// A call of the client begins.
  template <class Begin>
  void call(const std::shared_ptr<Session>& client, Begin begin) {
    visit_from_now_on(client);
    ++under_way_;
    try {
      begin(shared_from_this());
    } catch (...) {
      --under_way_;
      throw;
    }
  }

  [[nodiscard]] bool is_forked() const noexcept {
    return generation_ != runtime::fork_generation();
  }

  void end() {
    {
      const std::lock_guard lock{mutex_};
      has_ended_ = true;
    }
    leave();
    run_calls();
  }

 private:
  struct Visited {
    std::weak_ptr<Session> client;
    std::uint64_t number;
  };

  void visit_from_now_on(const std::shared_ptr<Session>& client) {
    const auto is_it = [&](const Visited& one) {
      return !one.client.owner_before(client) && !client.owner_before(one.client);
    };
    if (std::any_of(clients_.begin(), clients_.end(), is_it)) return;
    if (!client->expect_visits(sockets_, ++last_)) return;  // another one visits it
    std::erase_if(clients_, [](const Visited& one) { return one.client.expired(); });
    clients_.push_back({client, last_});
  }

  void leave() {
    for (const auto& one : clients_) {
      with(one, [](Session& client) { client.expect_visits(nullptr, 0); });
    }
    clients_.clear();
  }

  // Returns how many calls were answered.
  std::size_t visit() {
    is_told_ = true;  // what comes meanwhile is taken too
    for_ready_clients([](Session& client) { client.visit(); });
    const auto count = run_calls();
    for_ready_clients([](Session& client) { client.end_visit(); });
    return count;
  }

  template <class Work>
  void for_ready_clients(Work work) {
    for (const auto number : ready_) {
      const auto found = std::find_if(clients_.begin(), clients_.end(),
                                      [&](const Visited& one) { return one.number == number; });
      if (found != clients_.end()) with(*found, work);
    }
  }

  // The client may lose its last handle meanwhile.
  template <class Work>
  static void with(const Visited& one, Work work) {
    auto client = one.client.lock();
    if (!client) return;
    work(*client);
    if (client.use_count() == 1) end_elsewhere(std::move(client));
  }

  std::size_t run_calls() {
    std::size_t count = 0;
    while (true) {
      {
        const std::lock_guard lock{mutex_};
        running_.swap(calls_);
        if (running_.empty()) {
          is_told_ = false;
          return count;
        }
      }
      for (auto& call : running_) {
        try {
          std::exchange(call, nullptr)->run();
        } catch (const std::exception&) {
          continue;  // a handler throws nothing: it was out of memory
        }
      }
      count += running_.size();
      under_way_ -= running_.size();
      running_.clear();
    }
  }

  const std::uint64_t generation_ = runtime::fork_generation();
  const std::shared_ptr<runtime::ReadySockets> sockets_ = std::make_shared<runtime::ReadySockets>();
  runtime::EventFd wake_;
  const runtime::ReadySockets::Place wake_place_{sockets_, wake_.fd(), woken};
  std::atomic<bool> is_told_{false};  ///< it will take what there is

  // Of the thread that begins and takes:
  std::vector<Visited> clients_;
  std::uint64_t last_ = woken;
  std::size_t under_way_ = 0;
  runtime::ReadySockets::Numbers numbers_{};
  std::span<std::uint64_t> ready_;  ///< among these: of the last look
  std::vector<Call> running_;

  std::mutex mutex_;
  std::vector<Call> calls_;  ///< that were answered
  bool has_ended_ = false;
};

Visitor::Visitor() : visits_(std::make_shared<Visits>()) {}

Visitor::~Visitor() {
  if (visits_->is_forked()) {
    leave_to_parent(std::move(visits_));  // whose set of sockets it is
  } else {
    visits_->end();
  }
}

int Visitor::descriptor() const noexcept { return visits_->descriptor(); }

void Visitor::wake() noexcept { visits_->wake(); }

void Visitor::take() { visits_->take(); }

void Visitor::acquire(const LeaseSource& from, std::optional<std::chrono::milliseconds> limit,
                      AcquireHandler handler, const std::stop_token& stop) {
  const auto& spec = *from.spec();
  if (!limit && spec.options.wait) limit = *spec.options.wait;
  visits_->call(spec.client, [&](std::shared_ptr<EventLoop::Executor> executor) {
    spec.async_take(limit, stop, spec.permits(from.weight()), std::move(handler),
                    std::move(executor));
  });
}

void Visitor::release(Lease lease, ReleaseHandler handler) {
  auto state = LeaseState::take_from(lease);
  if (!state) {
    handler({});
    return;
  }
  const auto client = state->client;
  client->check_process();
  visits_->call(client, [&](std::shared_ptr<EventLoop::Executor> executor) {
    detail::async_release(std::move(state), std::move(handler), std::move(executor));
  });
}

}  // namespace dlock::detail
