// Router: all engines of one client, and the quorum they may form, as one machine without I/O.
//
// A caller asks for a lock without knowing which server decides. The shell feeds the events of each
// server, and carries out actions, each of which belongs to one server. The router takes an
// engine's answer about a part of a lease to the quorum; the shell sees only the quorum's own
// answer.
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
    single,    ///< one server
    cluster,   ///< an engine for each slot, made when a key of that slot is first used
    quorum,    ///< several independent servers, of which a majority decides
    endpoint,  ///< a server that has slots, as a cluster behind it: as `cluster`, by `use_slots`
  };
  struct Settings {
    Mode mode{};
    std::size_t servers = 1;  ///< of a quorum
    /// For each engine. On a cluster each slot has its own client id and fence key.
    Engine::Settings engine;
  };

  explicit Router(Settings settings);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;
  ~Router();

  // Requests of users, as in `Engine`.
  /// Returns the server that `cancel` takes.
  ServerId acquire(Instant now, WaiterId waiter, AcquireRequest&& request);
  /// On a cluster all keys must be of one slot.
  ServerId acquire_all(Instant now, std::vector<std::pair<WaiterId, AcquireRequest>> requests);
  ServerId exchange(Instant now, WaiterId waiter, AcquireRequest&& request,
                    const LeaseRecord& lease);
  void cancel(Instant now, ServerId asked, WaiterId waiter);
  void release(Instant now, const LeaseRecord& lease);
  /// Ends all waits and withdraws them; leases continue. No `acquire` after this.
  void close(Instant now);
  /// Removes this client's registrations from all connected servers.
  void withdraw(Instant now);
  /// Without a connection to it: whether a script sees only one slot on the single server. From the
  /// first time on there is an engine for each slot. The first engine keeps its leases, and the
  /// waits that cannot move.
  void use_slots(Instant now, bool has_slots);
  [[nodiscard]] bool has_slots() const { return has_slots_; }

  // Events of the connection to a server, as in `Engine`.
  void on_connected(Instant now, ServerId server, bool old_is_dead);
  void on_connect_failed(Instant now, ServerId server, errc code, const std::string& what,
                         bool may_recover = true);
  void on_disconnected(Instant now, ServerId server, const std::string& why);
  void on_reply(Instant now, ServerId server, const Reply& reply);
  void on_message(Instant now, ServerId server, std::string_view message);
  void on_changed(Instant now, ServerId server, std::optional<std::string_view> key);
  /// Whether `server` is known to be silent: no release waits for its answer from now on.
  void count_as_silent(ServerId server, bool is_silent);
  /// The server of the lease's key confirmed it; see `Engine::on_unblocked`.
  void on_unblocked(Instant now, const LeaseRecord& lease, Instant sent);
  /// To be called at `next_timer()`, and after reading from the servers, with the instant by which
  /// a quorum judges the replies.
  void on_timer(Instant now);

  /// Puts the next actions into `into`, in place of its former ones, and returns the server of all
  /// of them. To be called until there are none. Answers to users (Obtained, Refusal, Released,
  /// Lost) do not depend on that server.
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
  /// No releases worth waiting for.
  [[nodiscard]] bool settled() const;
  /// With a quorum, counts leases and not their parts, but commands, renewals and reconnects of all
  /// servers.
  [[nodiscard]] Stats stats() const;
  /// Those of users' locks.
  [[nodiscard]] Statistics& statistics() { return *statistics_; }

  /// The number of servers so far.
  [[nodiscard]] std::size_t servers() const { return shards_.size(); }
  [[nodiscard]] const Engine& engine(ServerId server) const { return shards_[server]->engine; }
  /// The slot of a server, on a cluster.
  [[nodiscard]] std::uint16_t slot(ServerId server) const { return shards_[server]->slot; }
  /// The server of a key, or of a channel of this client; none for a cluster's slot without use so
  /// far. Not for a quorum.
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
  [[nodiscard]] bool has_engine_for_each_slot() const {
    return settings_.mode == Mode::cluster || settings_.mode == Mode::endpoint;
  }
  [[nodiscard]] Shard& of(std::string_view key);
  [[nodiscard]] Shard& holder_of(const LeaseRecord& lease);
  Engine& touch(Instant now, Shard& shard);
  Quorum& touch_quorum(Instant now);
  std::optional<ServerId> take_touched(std::vector<Action>& into);
  void take_to_quorum(ServerId server, std::vector<Action>& actions);

  Settings settings_;
  bool has_slots_ = false;  ///< of `Mode::endpoint`, at present
  std::shared_ptr<Statistics> statistics_ = std::make_shared<Statistics>();
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Instant> alarms_;  ///< the engines' next timers; apart, for speed
  std::vector<Shard*> touched_;
  std::size_t busy_ = 0;  ///< the number of engines that are not idle
  std::unordered_map<std::uint16_t, Shard*> by_slot_;
  std::unique_ptr<Quorum> quorum_;
  Instant quorum_alarm_ = Instant::max();
  bool quorum_is_touched_ = false;
  Instant now_;  ///< of the latest event
};

}  // namespace dlock::core
