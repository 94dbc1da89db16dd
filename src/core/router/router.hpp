// Router: all engines of one client, and the quorum they may form, as one machine without I/O.
//
// A caller asks for a lock and need not know which server decides. The shell feeds what each server
// said, and carries out actions that belong to one server each. With a quorum the router takes what
// an engine says of its part of a lease to the quorum, and the shell sees the answer of that only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/engine/engine.hpp"
#include "core/quorum/quorum.hpp"

namespace dlock::core {

/// The number of a server, from 0 on; of a cluster, that of a slot in the order of their first use.
using ServerId = std::size_t;

/// Not thread-safe. Deterministic: the same events give the same actions.
class Router {
 public:
  enum class Mode : std::uint8_t {
    single,   ///< one server
    cluster,  ///< an engine for each slot, made when a key of that slot is first used
    quorum,   ///< several independent servers, of which a majority decides
  };
  struct Settings {
    Mode mode{};
    std::size_t servers = 1;  ///< of a quorum
    /// Of each engine. On a cluster each slot has a client id and a fence key of its own.
    Engine::Settings engine;
  };

  explicit Router(Settings settings);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;
  ~Router();

  // What users do; as of `Engine`.
  /// Returns what `cancel` needs to know of the wait.
  ServerId acquire(Instant now, WaiterId waiter, AcquireRequest&& request);
  /// On a cluster all keys must be of one slot.
  ServerId acquire_all(Instant now, std::vector<std::pair<WaiterId, AcquireRequest>> requests);
  ServerId exchange(Instant now, WaiterId waiter, AcquireRequest&& request,
                    const LeaseRecord& lease);
  void cancel(Instant now, ServerId asked, WaiterId waiter);
  void release(Instant now, const LeaseRecord& lease);
  /// Ends all waits and withdraws them; leases go on. No `acquire` after this.
  void close(Instant now);
  /// Takes this client's registrations off all servers that can be reached.
  void withdraw(Instant now);

  // What the connection to a server does; as of `Engine`.
  void on_connected(Instant now, ServerId server, bool old_is_dead);
  void on_connect_failed(Instant now, ServerId server, errc code, const std::string& what,
                         bool may_recover = true);
  void on_disconnected(Instant now, ServerId server, const std::string& why);
  void on_reply(Instant now, ServerId server, const Reply& reply);
  void on_message(Instant now, ServerId server, std::string_view message);
  /// Whether `server` is known to answer nothing: from now on its releases are not waited for.
  void count_as_silent(ServerId server, bool is_silent);
  /// The server of the lease's key kept it; see `Engine::on_unblocked`.
  void on_unblocked(Instant now, const LeaseRecord& lease, Instant sent);
  /// To be called when `next_timer()` has come, and after what was read from the servers, with the
  /// time by which a quorum shall judge that.
  void on_timer(Instant now);

  /// Takes the next actions, all of the server that is returned, in place of what `into` had. To be
  /// called until there are none. Answers to users (Obtained, Refusal, Released, Lost) are theirs,
  /// whatever server they come with.
  [[nodiscard]] std::optional<ServerId> take_actions(std::vector<Action>& into) {
    return touched_.empty() && !quorum_is_touched_ ? std::nullopt : take_touched(into);
  }

  // These are true once there are no more actions to take.
  /// `Instant::max()`: never.
  [[nodiscard]] Instant next_timer() const {
    auto next = quorum_alarm_;
    for (const auto alarm : alarms_) {
      next = std::min(next, alarm);
    }
    return next;
  }
  /// No waits, no leases, no releases under way.
  [[nodiscard]] bool idle() const { return busy_ == 0 && (!quorum_ || quorum_->idle()); }
  /// No releases that are worth waiting for.
  [[nodiscard]] bool settled() const;
  /// Of a quorum, leases and not their parts; but commands, renewals and reconnects of all servers.
  [[nodiscard]] Counters counters() const;

  /// How many servers there are by now.
  [[nodiscard]] std::size_t servers() const { return shards_.size(); }
  [[nodiscard]] const Engine& engine(ServerId server) const { return shards_[server]->engine; }
  /// Of a cluster: the slot of a server.
  [[nodiscard]] std::uint16_t slot(ServerId server) const { return shards_[server]->slot; }
  /// Which server a key, or a channel of this client, belongs to; of a cluster none, if that slot
  /// was not used yet. Not of a quorum.
  [[nodiscard]] std::optional<ServerId> find(std::string_view key) const;

 private:
  struct Shard {
    Shard(Engine::Settings settings, ServerId at, std::uint16_t its_slot)
        : engine(std::move(settings)), server(at), slot(its_slot) {}

    Engine engine;
    const ServerId server;
    const std::uint16_t slot;
    bool is_touched = false;  ///< it may have actions and another timer
    bool is_idle = true;
  };

  Shard& add(std::uint16_t slot);
  [[nodiscard]] Shard& of(std::string_view key);
  Engine& touch(Instant now, Shard& shard);
  Quorum& touch_quorum(Instant now);
  std::optional<ServerId> take_touched(std::vector<Action>& into);
  void take_to_quorum(ServerId server, std::vector<Action>& actions);

  Settings settings_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Instant> alarms_;  ///< their next timers; apart, to be quick
  std::vector<Shard*> touched_;
  std::size_t busy_ = 0;  ///< how many are not idle
  std::unordered_map<std::uint16_t, Shard*> by_slot_;
  std::unique_ptr<Quorum> quorum_;
  Instant quorum_alarm_ = Instant::max();
  bool quorum_is_touched_ = false;
  Instant now_;  ///< of the latest event
};

}  // namespace dlock::core
