// Topology: the connections to the servers of the router, and their input.
//
// A shard is a server as the router knows it: the one server, one server of a quorum, or one slot
// of a cluster. A link is a server as the network knows it, with the one connection to it. The
// shards of a cluster share links and move from link to link, as its slots move from node to node;
// a survey finds their current place. Connecting, surveys, and renewals while a slot moves are
// background tasks: their results are taken by the thread that polls.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/router/router.hpp"
#include "dlock/options.hpp"
#include "redis/cluster.hpp"
#include "session/command_writer.hpp"
#include "session/event_loop.hpp"
#include "session/migrating_renewals.hpp"
#include "session/server_link.hpp"
#include "store/connector.hpp"
#include "store/store_config.hpp"

namespace dlock::detail {

class PrimaryWatch;

/// Feeds the router with the events of connections. The loop's mutex protects it: callers hold it,
/// except for `end_watch`.
class Topology {
 public:
  using Log = std::function<void(LogLevel, std::string)>;

  /// All must outlive it. `log` may be called with and without the mutex held.
  Topology(const StoreConfig& config, core::Router& router, EventLoop& loop, Log log);
  ~Topology();
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  // Requests of the router, which learns the results as events:
  void connect(core::ServerId server);
  /// The router asked for it, and gets no event.
  void disconnect(core::ServerId server, const std::string& why);
  /// Writes the command behind the earlier ones. Drops it if there is no connection.
  void send(core::ServerId server, const core::Command& command);
  /// A release had no answer in its time.
  void note_unanswered(core::ServerId server);
  /// Renews a lease at the node where its moving slot has its key, with the next `renew_migrating`.
  void renew_elsewhere(std::shared_ptr<core::LeaseRecord> lease) {
    blocked_.push_back(std::move(lease));
  }
  void renew_migrating();

  // The work of the loop:
  void add_sockets(runtime::PollSet& into) const;
  void show_sockets();
  /// Takes the results of background tasks, and the input of sockets that are ready.
  void serve(const runtime::PollSet& ready);
  /// When a background task counts as failed; `Instant::max()`: none runs.
  [[nodiscard]] core::Instant next_timer() const;
  [[nodiscard]] bool wants_write() const;
  [[nodiscard]] bool servers_have_enough() const;
  [[nodiscard]] bool servers_owe_replies() const;
  /// Whether any server owes a reply.
  [[nodiscard]] bool awaits_replies() const;
  void flush();

  /// What the connections carried since their logins.
  [[nodiscard]] const redis::Traffic& traffic() const { return traffic_; }

  /// Abandons connecting and surveys.
  void abandon();
  /// Ends the watch over Sentinels. Takes the mutex itself.
  void end_watch();

 private:
  class ReplyRouter;

  [[nodiscard]] Shard& shard_at(core::ServerId server);
  [[nodiscard]] ServerLink& link_to(const redis::Endpoint& endpoint);
  void settle_on(Shard& shard, ServerLink& link);
  void count_as_silent(ServerLink& link, bool is_silent);

  void connect(Shard& shard);
  void dial(ServerLink& link);
  void take_connection(ServerLink& link);
  void fail_to_connect(Shard& shard, errc code, const std::string& what, bool may_recover = true);
  void note_slots(ServerLink& link);
  void begin_fence(const Shard& shard);
  void join(Shard& shard, bool old_is_dead);
  void leave(Shard& shard, const std::string& why);
  void prepare_watch(ServerLink& link);
  // topology_quorum.cpp: one server under two names.
  void end_first_round();
  [[nodiscard]] std::string name_twins() const;
  // topology_login.cpp: credentials that end.
  void plan_login(ServerLink& link, std::optional<std::chrono::steady_clock::time_point> due);
  void log_in_again(ServerLink& link);
  void on_login_reply(ServerLink& link, const redis::ReplyView& reply);
  void end_connection(ServerLink& link, const std::string& why, const Shard* knows = nullptr);
  void survey();
  void take_survey();
  void take_renewed();
  void watch_primary();
  void take_input(ServerLink& link);

  const StoreConfig& config_;
  core::Router& router_;
  EventLoop& loop_;
  const Log log_;
  CommandWriter writer_;
  redis::Traffic traffic_;
  std::vector<std::unique_ptr<Shard>> shards_;  ///< by server of the router
  std::vector<std::unique_ptr<ServerLink>> links_;
  // For a cluster:
  std::vector<redis::SlotRange> slots_;
  bool slots_are_old_ = true;
  SlotSurvey slot_survey_;
  core::Instant survey_by_;  ///< if the survey is busy
  std::vector<std::shared_ptr<core::LeaseRecord>> blocked_;
  MigratingRenewals migrating_;
  // For a quorum:
  bool is_first_round_ = true;                    ///< no connection has been used so far
  core::Instant join_by_ = core::Instant::max();  ///< the end of that round
  // For Sentinels:
  std::unique_ptr<PrimaryWatch> primary_watch_;
  bool watch_is_over_ = false;
};

}  // namespace dlock::detail
