// Network: links between processes and servers, and all the ways in which they fail.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/router/router.hpp"
#include "simulation/server.hpp"
#include "simulation/stage.hpp"

namespace dlock::sim {

using core::ServerId;

/// The receiving end of a process: what its shell would read from a socket.
class Wire {
 public:
  /// `old_is_dead`: as `Engine::on_connected` means it.
  virtual void connected(ServerId server, LinkId link, bool old_is_dead) = 0;
  virtual void connect_failed(ServerId server, errc code, const std::string& what) = 0;
  virtual void reply(ServerId server, LinkId link, const Answer& answer) = 0;
  virtual void message(ServerId server, LinkId link, const std::string& text) = 0;
  virtual void closed(ServerId server, LinkId link, const std::string& why) = 0;
  /// Asked when the dialling reaches the server: must the old connection be killed?
  virtual bool has_unanswered(ServerId server) = 0;
  /// A request of an earlier connection was carried out only now.
  virtual void acted_late() = 0;

 protected:
  ~Wire() = default;
};

class Network {
 public:
  explicit Network(Stage& stage);

  [[nodiscard]] Server& server(ServerId server) { return *servers_[server]; }
  [[nodiscard]] Referee& referee() { return referee_; }

  // What a process does. Links carry everything in order in both directions, but for `two_ways`.
  void join(ProcessId process, Wire& wire) { wires_[process] = &wire; }
  void dial(ProcessId process, ServerId server);
  void send(LinkId link, core::Command command);
  /// Closes at once. What is under way may still be carried out, also late.
  void hang_up(LinkId link);
  /// The process is gone; the server learns it, or not.
  void abandon(ProcessId process, bool silently);
  /// A stopped process reads nothing, so nobody can promise it its place.
  void stopped(ProcessId process, bool is_stopped);

  // Faults.
  void reset(ProcessId process, ServerId server);
  void server_closes(ProcessId process, ServerId server);
  void mute(ProcessId process, ServerId server, bool up, bool down);
  void partition(ProcessId process, Time until);
  void spike(ProcessId process, ServerId server, Duration delay);
  void stall(ServerId server, Time until) { stalled_until_[server] = until; }
  /// Closes all connections to a server that is down.
  void close_all(ServerId server);
  /// From now on everything works, and fast.
  void heal();

  /// Whether a command of this process is still under way to the server.
  [[nodiscard]] bool has_under_way(ProcessId process, ServerId server) const;
  /// ... of any process, also of one that died.
  [[nodiscard]] bool has_under_way() const;

 private:
  static constexpr auto never = std::numeric_limits<std::uint64_t>::max();
  using Route = std::pair<ProcessId, ServerId>;
  struct Link {
    ProcessId process = 0;
    ServerId server = 0;
    bool client_open = false, server_open = true;
    bool up_works = true, down_works = true;
    bool broken = false;          ///< some fault happened to it
    Time up_free{}, down_free{};  ///< nothing arrives before what was sent before
    Time messages_free{};         ///< ... if they have a way of their own
    Time slow_until{};            ///< nothing arrives before, in either direction
    std::uint64_t sent = 0, arrived = 0;
    std::uint64_t cut = never;  ///< later requests never arrive

    [[nodiscard]] bool has_under_way() const {
      return server_open && std::min(sent, cut) > arrived;
    }
  };

  [[nodiscard]] Duration delay();
  [[nodiscard]] Link* current(Route route);
  void push(LinkId link, const std::string& text);
  void reached(ProcessId process, ServerId server);
  void refuse(ProcessId process, ServerId server, Duration delay, const std::string& why);
  void logged_in(LinkId id, bool old_is_dead);
  void up(LinkId id, std::uint64_t number, const core::Command& command);
  template <class Deliver>
  void down(LinkId id, Time Link::* way, Deliver deliver);
  void message(LinkId id, const std::string& text);
  void break_up(Link& link);
  void forget_at(LinkId id, Time when);
  void close_server_side(LinkId id);
  void disturb(ProcessId process);
  [[nodiscard]] LinkId id_of(Route route) const;

  Stage& stage_;
  Referee referee_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::map<ProcessId, Wire*> wires_;
  std::map<LinkId, Link> links_;
  std::map<Route, LinkId> newest_;
  std::map<ProcessId, Time> partitions_;
  std::set<ProcessId> stopped_, gone_;
  LinkId last_ = 0;
  std::vector<Time> stalled_until_;  ///< by server
  bool healed_ = false;
  LinkId executing_ = 0;
  std::vector<std::string> held_back_;  ///< pushes to the one whose script runs
};

}  // namespace dlock::sim
