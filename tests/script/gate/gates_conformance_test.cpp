// The scripts of gates against the reference model, for random histories of a condition variable, a
// latch and a barrier. Permits on the parts key come and go in between.
#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>

#include "script/comparison.hpp"
#include "script/scripts.hpp"
#include "support/gates_model.hpp"

namespace dlock::test {

namespace {

using namespace std::chrono_literals;
using std::to_string;
namespace gen = rc::gen;

const std::string gate_key = "gate";
const std::string parts_key = Store::parts_key(gate_key);
constexpr int tokens = 8;  // of four clients
constexpr int part_count = 4;

std::string part_token(int part) { return make_token(part % client_count, 400 + part, "3000:1"); }

struct Ask {
  std::string mode;
  int token = 0;
  Ticket ticket{};
  Micros shift{};  ///< of a ticket that is a time
  int off = 0;     ///< of a ticket that is a phase, from the present one
  bool other = false;
  int by = 1;
  Millis keep{};
  std::optional<int> part{};
};
struct Leave {
  int token = 0;
};
struct Flood {  ///< many wait, who are gone or one client's
  int size = 0;
  bool gone = true;
};
struct TakePart {
  int part = 0;
  Millis ttl{};
  bool joins = true;
};
struct LetGo {
  int part = 0;
};
struct KeepPart {
  int part = 0;
  Millis ttl{};
};
enum class Loss : std::uint8_t { gate, queue, third, parts, all, becomes_list };
struct Lose {
  Loss what{};
};
struct Step {
  std::variant<Ask, Leave, Flood, TakePart, LetGo, KeepPart, Lose, Subscribe, MayPublish, Advance>
      kind;
};

struct Printer {
  std::ostream& out;
  void operator()(const Ask& op) const {
    out << op.mode << ", token " << op.token;
    if (op.ticket == Ticket::known) out << ", known ticket";
    if (op.ticket == Ticket::shifted) {
      out << ", ticket of now" << op.shift.count() << "us or phase+" << op.off;
    }
    if (op.other) out << ", another number";
    out << ", by " << op.by << ", kept for " << op.keep.count() << "ms";
    if (op.part) out << ", part " << *op.part;
  }
  void operator()(const Leave& op) const { out << "leave, token " << op.token; }
  void operator()(const Flood& op) const {
    out << "flood of " << op.size << (op.gone ? " gone" : "");
  }
  void operator()(const TakePart& op) const {
    out << "take part " << op.part << " for " << op.ttl.count() << "ms"
        << (op.joins ? ", join" : "");
  }
  void operator()(const LetGo& op) const { out << "let part " << op.part << " go"; }
  void operator()(const KeepPart& op) const {
    out << "keep part " << op.part << " for " << op.ttl.count() << "ms";
  }
  void operator()(const Lose& op) const {
    static constexpr const char* losses[] = {"gate is lost",      "queue is lost",
                                             "third key is lost", "parts are lost",
                                             "all is lost",       "gate is a list now"};
    out << losses[static_cast<int>(op.what)];
  }
  template <class Common>
  void operator()(const Common& op) const {
    out << Operation{op};
  }
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  std::visit(Printer{out}, step.kind);
  return out;
}

// --- generators ---------------------------------------------------------------------------------

template <class Kind>
rc::Gen<Step> step(rc::Gen<Kind> kinds) {
  return gen::map(std::move(kinds), [](Kind kind) { return Step{std::move(kind)}; });
}

rc::Gen<bool> once_in(int n) {
  return gen::map(gen::inRange(0, n), [n](int drawn) { return drawn == n - 1; });
}
rc::Gen<bool> mostly(int n) {
  return gen::map(once_in(n), [](bool rare) { return !rare; });
}
rc::Gen<int> one_token() { return gen::inRange(0, tokens); }
rc::Gen<int> one_part() { return gen::inRange(0, part_count); }
rc::Gen<Millis> one_ttl() { return gen::element<Millis>(30000ms, 5000ms, 400ms, 1ms); }

rc::Gen<Step> any_ask(rc::Gen<std::string> modes) {
  return step(gen::build<Ask>(
      gen::set(&Ask::mode, std::move(modes)), gen::set(&Ask::token, one_token()),
      gen::set(&Ask::ticket, gen::weightedElement<Ticket>(
                                 {{4, Ticket::none}, {4, Ticket::known}, {1, Ticket::shifted}})),
      gen::set(&Ask::shift, gen::element<Micros>(-5s, -16s, 1s, -4s - 1us)),
      gen::set(&Ask::off, gen::element(0, -1, -2, 1)), gen::set(&Ask::other, once_in(30)),
      gen::set(&Ask::by, gen::weightedElement<int>({{8, 1}, {2, 2}, {1, 5}})),
      gen::set(&Ask::keep, gen::element<Millis>(5000ms, 60000ms, 3600000ms)),
      gen::set(&Ask::part,
               gen::weightedOneOf<std::optional<int>>(
                   {{2, gen::just(std::optional<int>{})},
                    {1, gen::map(one_part(), [](int part) { return std::optional{part}; })}}))));
}

rc::Gen<Step> any_advance() {
  const auto near = gen::element<Micros>(1us, 999us, 1ms, 49ms, 399ms, 400ms, 1s, 2500ms, 4s,
                                         4s + 1us, 5s, 5s + 1us, 8s);
  const auto far = gen::element<Micros>(11s, 15s, 15s + 1us, 20s, 20s + 1ms, 60s, 600s, 600s + 1ms);
  const auto back = gen::element<Micros>(-1us, -100ms, -500ms, -2s, -60s);
  return step(gen::build<Advance>(
      gen::set(&Advance::by, gen::weightedOneOf<Micros>({{12, near}, {2, far}, {2, back}}))));
}

rc::Gen<Step> any_part() {
  return gen::weightedOneOf<Step>(
      {{4, step(gen::build<TakePart>(gen::set(&TakePart::part, one_part()),
                                     gen::set(&TakePart::ttl, one_ttl()),
                                     gen::set(&TakePart::joins, mostly(4))))},
       {1, step(gen::build<LetGo>(gen::set(&LetGo::part, one_part())))},
       {1, step(gen::build<KeepPart>(gen::set(&KeepPart::part, one_part()),
                                     gen::set(&KeepPart::ttl, one_ttl())))}});
}

rc::Gen<Step> any_step(rc::Gen<std::string> modes) {
  const auto loss = gen::weightedElement<Loss>({{6, Loss::gate},
                                                {1, Loss::queue},
                                                {2, Loss::third},
                                                {1, Loss::parts},
                                                {1, Loss::all},
                                                {1, Loss::becomes_list}});
  return gen::weightedOneOf<Step>({
      {50, any_ask(std::move(modes))},
      {8, step(gen::build<Leave>(gen::set(&Leave::token, one_token())))},
      {3, step(gen::build<Flood>(gen::set(&Flood::size, gen::inRange(62, 67)),
                                 gen::set(&Flood::gone, gen::arbitrary<bool>())))},
      {10, any_part()},
      {10, step(gen::build<Subscribe>(gen::set(&Subscribe::client, gen::inRange(0, client_count)),
                                      gen::set(&Subscribe::on, mostly(4))))},
      {3, step(gen::build<Lose>(gen::set(&Lose::what, loss)))},
      {1, step(gen::build<MayPublish>(gen::set(&MayPublish::allowed, mostly(2))))},
      {20, any_advance()},
  });
}

// --- carrying it out ----------------------------------------------------------------------------

// Common to the histories of all gates. `number` is the count of a latch, or the parties of a
// barrier.
class GateComparison : public Comparison {
 public:
  using Comparison::Comparison;
  GateComparison(const GateComparison&) = delete;
  GateComparison& operator=(const GateComparison&) = delete;
  virtual ~GateComparison() = default;

  void run(int number, const std::vector<Step>& history) {
    RC_LOG() << "the number is " << number << '\n';
    reset();
    gate().lose_all();
    told_.clear();
    number_ = number;
    for (const auto& one : history) {
      RC_LOG() << one << '\n';
      std::visit([&](const auto& kind) { carry_out(kind); }, one.kind);
      compare_pushes();
      same("the gate", gate().state(now()), store_.gate_state(gate_key));
      same("the parts", model_.state(now(), parts_key), store_.state(parts_key));
    }
  }

 protected:
  using Number = std::optional<std::int64_t>;

  virtual GateModel& gate() = 0;
  virtual void ask(const Ask& op, const std::string& token) = 0;
  virtual void leave(const std::string& token) = 0;
  /// The request of one that is to wait; without a ticket.
  virtual Ask to_wait() const = 0;

  std::string at_gate(const script::Script& script, const std::vector<std::string>& args) {
    return store_.at_gate(script, gate_key, args);
  }
  std::int64_t number_of(const Ask& op) const { return op.other ? number_ + 1 : number_; }
  Number told(const std::string& whose) const {
    const auto found = told_.find(whose);
    return found == told_.end() || found->second == 0 ? Number{} : Number{found->second};
  }
  /// Compares replies, and remembers the word with that number for the next request of `whose`.
  void answered(const std::string& whose, std::size_t word, const std::string& model,
                const std::string& real) {
    replies(model, real);
    std::istringstream words{model};
    const std::vector<std::string> all{std::istream_iterator<std::string>{words}, {}};
    if (all.size() > word) told_[whose] = std::stoll(all[word]);
  }
  static std::string text(Number number) { return number ? to_string(*number) : ""; }

 private:
  using Comparison::carry_out;

  void carry_out(const Ask& op) { ask(op, make_token(op.token % client_count, op.token)); }

  void carry_out(const Leave& op) { leave(make_token(op.token % client_count, op.token)); }

  void carry_out(const Flood& op) {
    for (int number = 0; number < op.size; ++number) {
      ask(to_wait(), make_token(op.gone ? absent_client : 1, 100 + number));
    }
  }

  void carry_out(const TakePart& op) {
    const auto token = part_token(op.part);
    const PermitsModel::Acquire request{
        .key = parts_key, .token = token, .ttl = op.ttl, .capacity = number_, .wait = false};
    replies(permits_.acquire(now(), request), store_.take_permits(request));
    if (op.joins) ask({.mode = "join", .keep = 60s, .part = op.part}, make_token(0, 300));
  }

  void carry_out(const LetGo& op) {
    const auto token = part_token(op.part);
    replies(permits_.release(now(), parts_key, token), store_.release_permits(parts_key, token));
  }

  void carry_out(const KeepPart& op) {
    const std::vector<PermitsModel::Renewal> renewals{
        {parts_key, part_token(op.part), op.ttl, 77 + op.part}};
    replies(permits_.renew(now(), "echo", renewals), store_.renew_permits("echo", renewals));
  }

  void carry_out(const Lose& op) {
    switch (op.what) {
      case Loss::gate:
        gate().lose_gate();
        store_.command({"DEL", gate_key});
        break;
      case Loss::queue:
        gate().lose_queue();
        store_.command({"DEL", Store::queue_key(gate_key)});
        break;
      case Loss::third:
        gate().lose_third();
        store_.command({"DEL", Store::seen_key(gate_key)});
        break;
      case Loss::parts:
        model_.foreign_del(now(), parts_key);
        store_.command({"DEL", parts_key});
        break;
      case Loss::all:
        gate().lose_all();
        model_.flush();
        store_.command({"FLUSHALL"});
        break;
      case Loss::becomes_list:
        gate().become_list();
        store_.command({"DEL", gate_key});
        store_.command({"RPUSH", gate_key, "element"});
        break;
    }
  }

  PermitsModel permits_{model_};
  int number_ = 0;
  std::map<std::string, std::int64_t> told_;
};

class ConditionComparison : public GateComparison {
 public:
  using GateComparison::GateComparison;

 private:
  GateModel& gate() override { return condition_; }
  Ask to_wait() const override { return {.mode = "enter"}; }

  void ask(const Ask& op, const std::string& token) override {
    if (op.mode == "enter") {
      answered(token, 2, condition_.enter(now(), token), at_condition(token, "enter"));
    } else if (op.mode == "wait") {
      replies(condition_.wait(now(), token), at_condition(token, "wait", text(told(token))));
    } else if (op.mode != "join") {
      const auto latest = op.ticket == Ticket::known     ? told("notify")
                          : op.ticket == Ticket::shifted ? Number{(now() + op.shift).count()}
                                                         : Number{};
      answered("notify", 2, condition_.notify(now(), token, op.mode == "all", latest),
               at_condition(token, "notify", "", op.mode, text(latest)));
    }
  }

  void leave(const std::string& token) override {
    replies(condition_.leave(now(), token), at_gate(script::condition_leave, {token}));
  }

  std::string at_condition(const std::string& token, const std::string& mode,
                           const std::string& ticket = "", const std::string& most = "",
                           const std::string& latest = "") {
    return at_gate(script::condition, {token, "1000", mode, ticket, "", most, latest});
  }

  ConditionModel condition_{model_};
};

class LatchComparison : public GateComparison {
 public:
  using GateComparison::GateComparison;

 private:
  GateModel& gate() override { return latch_; }
  Ask to_wait() const override { return {.mode = "wait", .keep = 5s}; }

  void ask(const Ask& op, const std::string& token) override {
    LatchModel::Request request{
        .token = token, .mode = op.mode, .count = number_of(op), .keep = op.keep, .by = op.by};
    if (op.ticket == Ticket::known) request.ticket = told(token);
    if (op.ticket == Ticket::shifted) request.ticket = (now() + op.shift).count();
    if (op.part) request.part = part_token(*op.part);
    answered(token, 4, latch_.ask(now(), request),
             at_gate(script::latch,
                     {token, "1000", op.mode, text(request.ticket), "", to_string(request.count),
                      to_string(op.keep.count()), to_string(op.by), request.part}));
  }

  void leave(const std::string& token) override {
    replies(latch_.leave(now(), token), at_gate(script::latch_leave, {token}));
  }

  LatchModel latch_{model_, parts_key};
};

class BarrierComparison : public GateComparison {
 public:
  using GateComparison::GateComparison;

 private:
  GateModel& gate() override { return barrier_; }
  Ask to_wait() const override { return {.mode = "wait"}; }

  void ask(const Ask& op, const std::string& token) override {
    BarrierModel::Request request{.token = token, .mode = op.mode, .parties = number_of(op)};
    if (op.ticket == Ticket::known) request.phase = told(token);
    if (op.ticket == Ticket::shifted) request.phase = near_phase(op.off);
    if (op.part) request.part = part_token(*op.part);
    answered(token, 4, barrier_.ask(now(), request),
             at_gate(script::barrier, {token, "1000", op.mode, text(request.phase), "",
                                       to_string(request.parties), request.part}));
  }

  Number near_phase(int off) {
    const auto fields = barrier_.state(now()).fields;
    const auto phase = fields.find("phase");
    return phase == fields.end() ? Number{} : Number{std::stoll(phase->second) + off};
  }

  void leave(const std::string& token) override {
    replies(barrier_.leave(now(), token), at_gate(script::barrier_leave, {token}));
  }

  BarrierModel barrier_{model_, parts_key};
};

template <class Kind>
void check_gate(const rc::Gen<int>& numbers, const rc::Gen<std::string>& modes) {
  Store store;
  Kind comparison{store};
  check_histories([&] {
    const int number = *numbers;
    comparison.run(number, *gen::scale(1.5, gen::container<std::vector<Step>>(any_step(modes))));
  });
}

TEST(GatesConformance, AConditionVariableDoesWhatTheModelSays) {
  check_gate<ConditionComparison>(
      gen::just(part_count),
      gen::weightedElement<std::string>({{5, "enter"}, {5, "wait"}, {2, "1"}, {1, "all"}}));
}

TEST(GatesConformance, ALatchDoesWhatTheModelSays) {
  check_gate<LatchComparison>(
      gen::element(part_count - 1, 8),
      gen::weightedElement<std::string>({{4, "count"}, {1, "join"}, {8, "wait"}, {2, "try"}}));
}

TEST(GatesConformance, ABarrierDoesWhatTheModelSays) {
  check_gate<BarrierComparison>(
      gen::element(2, part_count - 1, part_count - 1, 67, 67),
      gen::weightedElement<std::string>({{20, "wait"}, {1, "join"}, {2, "leave"}, {2, "reset"}}));
}

}  // namespace

}  // namespace dlock::test
