// Server: the reference model of the store behind what else a Redis server is: sessions,
// subscriptions, a script cache, a clock, states in which it refuses, restarts.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/wire/command.hpp"
#include "simulation/clock.hpp"
#include "simulation/ledger.hpp"
#include "simulation/referee.hpp"
#include "simulation/stage.hpp"
#include "support/store_model.hpp"

namespace dlock::sim {

using LinkId = std::uint64_t;

/// A reply as it travels.
struct Answer {
  std::string text;
  bool is_error = false;
  bool unknown_script = false;
  bool passing = false;
  errc code{};
  bool is_block = false;  ///< to a bare acquire; without it, the outcome is unknown
  bool refuses_blocks = false;
  bool refuses_watch = false;
};

/// The first word of a push about a watched key, which follows; without one, all keys are gone.
inline constexpr std::string_view changed = "changed";

class Server final : public Witness {
 public:
  /// Sends a message down a link.
  using Push = std::function<void(LinkId link, const std::string& message)>;
  /// `clock` shows the time of day.
  Server(Stage& stage, Referee& referee, Clock clock, Push push);

  // Connections.
  void open(LinkId link, ProcessId process);
  void close(LinkId link);
  /// Whether the link is as good as new at both ends; asked when a request is carried out.
  std::function<bool(LinkId)> smooth;
  [[nodiscard]] Answer execute(LinkId link, const core::Command& command);

  // Faults. Connections are the caller's to close when it goes down.
  void go_down(Time until) { down_until_ = std::max(down_until_, until); }
  [[nodiscard]] bool is_down() const { return stage_.now() < down_until_; }
  /// Goes down without its data, as one of several may: until no lease is left that it forgot.
  void go_away(Time until);
  /// Comes up at once, unless it is away.
  void come_up() { down_until_ = away_until_; }
  void forget_scripts() { scripts_.clear(); }
  void restart();
  void save() { saved_ = store_; }
  void restart_from_saved();
  void restart_empty();
  void flush_all();
  void refuse(Fault how, Time until);
  void refuse_nothing() { refusals_.clear(); }
  void step_clock(Duration by) { clock_.zero_ns += by.count(); }

  // Other users of the store.
  /// The value set, or empty: the lock is taken.
  [[nodiscard]] std::string foreign_set(const std::string& key, std::optional<test::Millis> ttl);
  void foreign_release(const std::string& key, const std::string& value);
  /// Whoever of them holds it, also by what was restored.
  void foreign_leave(const std::string& key);
  void delete_lock(const std::string& key);
  void delete_queue(const std::string& key);
  void delete_seen(const std::string& key);
  void make_wrong_type(const std::string& key);
  void break_lock(const std::string& key, bool ask);

  void disturbed(ProcessId process) { ledger_.disturbed(process); }
  /// What had been given back may be held again.
  [[nodiscard]] bool has_old_data() const { return has_old_data_; }
  /// What is left of anybody's locks, or of this client's; empty if nothing.
  [[nodiscard]] std::string remains(std::string_view client);

  // Witness
  OnRecord look(const std::string& key, const std::string& token) override;
  std::optional<Time> held_until(const std::string& key, std::string_view client) override;
  [[nodiscard]] const Ledger& ledger() const override { return ledger_; }

 private:
  struct Session {
    ProcessId process = 0;
    std::string channel;  ///< empty: none yet
  };
  [[nodiscard]] test::Micros time() const;
  /// What `key` says of each holder that has not ended, by token.
  [[nodiscard]] std::map<std::string, OnRecord> holders(const std::string& key);
  void excuse_holders(const std::string& key);
  [[nodiscard]] int publish(std::string_view channel, std::string_view message);
  [[nodiscard]] Answer run(LinkId link, const core::Command& command);
  [[nodiscard]] Answer run_block(const core::Command& command);
  [[nodiscard]] Answer watch(LinkId link, const core::Command& command);
  void tell_changes(const core::Command& command, LinkId by);
  void tell_change(const std::string& key, LinkId by = 0);
  void tell(LinkId link, const std::string& change);
  void observe(const core::Command& command, std::string_view reply);
  void check_idle(const std::string& key);
  void tell_referee();
  void asked(LinkId link, const core::Command& command);
  void forget(const std::string& key);
  [[nodiscard]] bool refuses(Fault how) const;
  [[nodiscard]] std::optional<Answer> refusal(const core::Command& command) const;

  Stage& stage_;
  Push push_;
  test::StoreModel store_;
  std::optional<test::StoreModel> saved_;
  Referee& referee_;
  Ledger ledger_;
  Clock clock_;
  std::map<LinkId, Session> sessions_;
  std::map<std::string, std::set<LinkId>, std::less<>> ears_;   ///< who hears a channel
  std::set<std::tuple<core::Kind, core::Verb, bool>> scripts_;  ///< with the bare ones
  std::map<std::int64_t, std::string> handed_out_;  ///< fence counters of the running script
  std::map<Fault, Time> refusals_;
  std::map<std::string, std::string> foreign_;  ///< lock key to its value
  struct Watched {
    std::set<LinkId> links;
    std::string value;  ///< when it was last looked at
  };
  std::map<std::string, Watched> watched_;  ///< by lock key
  Time down_until_{}, away_until_{};
  bool has_old_data_ = false;
};

}  // namespace dlock::sim
