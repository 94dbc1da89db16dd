// The part of the reference model that is waited at and not held: condition variables, latches and
// barriers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/store_model.hpp"

namespace dlock::test {

/// What is kept of a gate, as HGETALL, ZRANGE WITHSCORES and PTTL show it. The third key is a hash
/// of when waiters were seen, here in the order of their tokens; of a barrier it is a queue.
struct GateState {
  std::map<std::string, std::string> fields{};  ///< or "(wrong type)" alone
  std::int64_t pttl = -2;
  std::vector<ModelQueue::Entry> queue{};
  std::int64_t queue_pttl = -2;
  std::vector<ModelQueue::Entry> third{};
  std::int64_t third_pttl = -2;
  friend bool operator==(const GateState&, const GateState&) = default;
};

/// One gate beside the locks of a `StoreModel`, which has its parts and tells its messages. As
/// that: every call brings the server's time.
class GateModel {
 public:
  GateModel(const GateModel&) = delete;
  GateModel& operator=(const GateModel&) = delete;
  virtual ~GateModel() = default;

  [[nodiscard]] GateState state(Micros now);
  // Changes by other programs.
  void become_list();  ///< the key of the gate, whatever it was
  void lose_gate();
  void lose_queue() { queue_ = {}; }
  virtual void lose_third() { seen_ = {}; }
  void lose_all();

 protected:
  /// The parties that joined a gate.
  struct Parts {
    std::set<std::string> tokens;
    bool ever = false;  ///< whether somebody joined at any time

    void join(const std::string& token);
    void leave(const std::string& token) { tokens.erase(token); }
    void show(std::map<std::string, std::string>& fields) const;
  };

  /// `parts`: the lock whose permits are the parts.
  GateModel(StoreModel& store, std::string parts) : store_(store), parts_(std::move(parts)) {}

  virtual std::map<std::string, std::string> fields() const { return {}; }
  virtual void forget_gate() {}
  virtual std::vector<ModelQueue::Entry> third() const;
  virtual std::optional<Millis> third_expires_at() const { return seen_.expires_at; }

  /// Begins a request. False: the key of the gate is something else.
  bool begin(Micros now);
  [[nodiscard]] bool is_over(const std::optional<Millis>& expires_at) const;
  [[nodiscard]] Millis after(Millis life) const;
  void keep_gate_for(Millis life);
  int publish(const std::string& token, const std::string& message);

  std::int64_t stand(const std::string& token, std::int64_t ticket);
  bool leave_queue(const std::string& token);
  std::string stay(const std::string& token);
  bool wake(std::optional<std::int64_t> latest, bool all);
  void tell_head();

  [[nodiscard]] bool is_there(const std::string& part);
  [[nodiscard]] bool is_one_missing(const Parts& parts);

  Micros now_{};
  ModelQueue queue_;
  std::optional<Millis> expires_at_{};

 private:
  [[nodiscard]] bool is_dead(const ModelQueue::Entry& waiter) const;

  StoreModel& store_;
  std::string parts_;
  StoreModel::Seen seen_;
  bool is_list_ = false;
};

class ConditionModel : public GateModel {
 public:
  explicit ConditionModel(StoreModel& store) : GateModel(store, {}) {}

  std::string enter(Micros now, const std::string& token);
  std::string wait(Micros now, const std::string& token);
  std::string notify(Micros now, const std::string& token, bool all,
                     std::optional<std::int64_t> latest);
  std::string leave(Micros now, const std::string& token);
};

class LatchModel : public GateModel {
 public:
  LatchModel(StoreModel& store, std::string parts) : GateModel(store, std::move(parts)) {}

  struct Request {
    std::string token;
    std::string mode;  ///< "count", "join", "wait" or "try"
    std::optional<std::int64_t> ticket{};
    std::int64_t count = 0;
    Millis keep{};
    std::int64_t by = 0;
    std::string part{};
  };
  std::string ask(Micros now, const Request& request);
  std::string leave(Micros now, const std::string& token);

 protected:
  std::map<std::string, std::string> fields() const override;
  void forget_gate() override { latch_.reset(); }

 private:
  struct Latch {
    std::int64_t count = 0;
    std::int64_t left = 0;
    std::map<std::string, std::int64_t> counted{};  ///< by how much
    Parts parts{};
  };

  bool count_down(const Request& request);
  std::string pass(const Request& request);

  std::optional<Latch> latch_;
};

class BarrierModel : public GateModel {
 public:
  BarrierModel(StoreModel& store, std::string parts) : GateModel(store, std::move(parts)) {}

  struct Request {
    std::string token;
    std::string mode;  ///< "wait", "join", "leave" or "reset"
    std::optional<std::int64_t> phase{};
    std::int64_t parties = 0;
    std::string part{};
  };
  std::string ask(Micros now, const Request& request);
  std::string leave(Micros now, const std::string& token);

  void lose_third() override { ended_ = {}; }

 protected:
  std::map<std::string, std::string> fields() const override;
  void forget_gate() override { barrier_.reset(); }
  std::vector<ModelQueue::Entry> third() const override { return ended_.entries(); }
  std::optional<Millis> third_expires_at() const override { return ended_.expires_at; }

 private:
  struct Barrier {
    std::int64_t parties = 0;
    std::int64_t phase = 0;
    std::int64_t broken = 0;
    std::optional<std::int64_t> passed{};
    std::optional<std::int64_t> ended{};
    std::string reset{};
    Parts parts{};

    [[nodiscard]] bool has_passed(std::int64_t earlier) const;
  };

  void make(std::int64_t parties);
  void end_phase();
  void break_phase();
  std::string reset(const std::string& token);
  std::string arrive(const Request& request);
  [[nodiscard]] bool is_one_silent(const std::string& but) const;
  void tell_ended();

  std::optional<Barrier> barrier_;
  ModelQueue ended_;
};

}  // namespace dlock::test
