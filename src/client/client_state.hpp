// ClientState: the engine of one client, its connection, and the threads that drive them.
//
// Leader and followers: a thread that waits for an answer reads the socket itself, if nobody else
// does, and hands the others theirs. The keeper, a background thread, does it when nobody waits: it
// serves renewals, losses, reconnects and pushes, and keeps away from the socket while callers are
// active. User code runs on neither, but on the callback thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "client/callbacks.hpp"
#include "client/wake.hpp"
#include "core/engine.hpp"
#include "dlock/client.hpp"
#include "dlock/options.hpp"
#include "redis/connection.hpp"

namespace dlock::detail {

/// Thread-safe.
class ClientState {
 public:
  ClientState(redis::Endpoint endpoint, ClientOptions options);
  /// Waits for releases under way, at most one request timeout.
  ~ClientState();
  ClientState(const ClientState&) = delete;
  ClientState& operator=(const ClientState&) = delete;

  /// Takes a lock. `limit` none: waits for ever; zero or less: only if it is free now. Null when
  /// the limit passed. Throws `Cancelled`, `Unreachable`, `Refused`, `StoreUnusable`, and
  /// `UsageError` for a number of permits that is not the lock's.
  /// `former`: ends that lease and takes its place in one step; null if it was over before.
  [[nodiscard]] std::shared_ptr<core::LeaseRecord> acquire(
      const std::string& key, const LockOptions& options,
      std::optional<std::chrono::milliseconds> limit, const std::stop_token& stop,
      const std::optional<core::Permits>& permits = {}, const core::LeaseRecord* former = nullptr);
  /// Gives a lock back and says what the server said.
  core::Released::Kind release(const core::LeaseRecord& lease);
  /// The lease's stop token; requested at once if it is lost already.
  [[nodiscard]] std::stop_token lost(core::LeaseRecord& lease);
  /// Ends all waits.
  void close();

  [[nodiscard]] Client::Stats stats();
  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] const ClientOptions& options() const noexcept { return options_; }
  /// For connections beside the shared one.
  [[nodiscard]] redis::Connection::Settings connection_settings() const;
  /// Throws in a forked child.
  void check_process() const;
  [[nodiscard]] bool is_forked() const noexcept;
  void log(LogLevel level, std::string text);

 private:
  /// A blocked caller.
  struct Call {
    std::condition_variable answered;
    bool done = false;
    std::variant<std::monostate, core::Obtained, core::Refusal, core::Released> answer;
  };
  using Lock = std::unique_lock<std::mutex>;
  class Intake;

  // What follows is called with the mutex held.
  enum class Role { caller, keeper };
  void wait(Lock& lock, Call& call, bool may_connect);
  void lead(Lock& lock, Call& call, bool may_connect);
  void poll_once(Lock& lock, std::optional<core::Instant> until, Role role);
  void connect(Lock& lock);
  void take_input();
  void carry_out();
  void perform(core::Action& action);
  void write(const core::Command& command);
  void answer(Call& call);
  void after_change();
  void ensure_keeper();
  void keep(Lock& lock);

  const redis::Endpoint endpoint_;
  const ClientOptions options_;
  const std::string url_;
  const std::uint64_t generation_;
  const std::string client_id_;

  std::mutex mutex_;
  core::Engine engine_;
  std::unique_ptr<redis::Connection> connection_;
  std::int64_t connection_id_ = 0;       ///< of the last one, for killing it from the next
  std::uint64_t connection_number_ = 0;  ///< ours, to notice that it is another
  bool connect_wanted_ = false;
  std::vector<std::string_view> fields_;  ///< of the command being written

  std::unordered_map<core::LeaseId, Call*> releases_;
  std::list<Call*> followers_;
  Call* leader_ = nullptr;  ///< the caller that reads the socket
  Wake leader_wake_, keeper_wake_;
  std::optional<core::Instant> leader_until_, keeper_until_;  ///< asleep until; none: awake
  core::Instant active_;                                      ///< when a caller last led
  bool keeper_ends_ = false;
  Call settled_;  ///< of the destructor
  bool settling_ = false;

  Callbacks callbacks_;
  std::thread keeper_;
};

}  // namespace dlock::detail
