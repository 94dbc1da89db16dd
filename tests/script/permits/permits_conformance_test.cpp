// The scripts of permits against the reference model, for random histories; mutexes on the same
// names come in between.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "script/comparison.hpp"

namespace dlock::test {

namespace {

using namespace std::chrono_literals;
namespace gen = rc::gen;

// Tokens of four clients. The last have terms that no client of ours asks for.
std::string permits_token(int number) {
  static constexpr std::array<std::string_view, 6> terms{"3000:1", "3000:1",       "3000:2",
                                                         "50:3",   "3000:1000000", "0:1"};
  return make_token(number % client_count, number,
                    terms[static_cast<std::size_t>(number / client_count)]);
}
constexpr int tokens = 24;

struct Take {
  int key = 0;
  int token = 0;
  std::int64_t capacity = 3;
  Millis ttl{};
  bool wait = true;
  bool first = false;
  Ticket ticket{};
  Micros shift{};
  std::optional<int> old{};
};
struct Flood {  ///< many readers or writers that are gone, or one client's
  int key = 0;
  int size = 0;
  bool waits = true;
  bool gone = true;
};
struct GiveBack {
  int key = 0;
  int token = 0;
};
struct KeepOn {
  int key = 0;
  int token = 0;
  Millis ttl{};
  int other = 0;
};
struct Write {  ///< of the fence
  int key = 0;
  int token = 0;
  Millis ttl{};
  std::int64_t by = 0;  ///< above the server's counter, or below it
  bool noted = false;   ///< that of the holder instead
  bool is_new = true;
};
struct BreakOff {
  int key = 0;
  int token = 0;
  int how = 0;
};
struct Resize {
  int key = 0;
  std::int64_t capacity = 0;
};
struct MutexToo {
  int key = 0;
  int token = 0;
  bool release = false;
};
struct Step {
  std::variant<Take, Flood, GiveBack, KeepOn, Write, BreakOff, Resize, MutexToo, Subscribe,
               ForeignSet, Drop, WrongType, MayPublish, Advance>
      kind;
};

struct Printer {
  std::ostream& out;
  void operator()(const Take& op) const {
    out << "take " << op.key << " token " << op.token << ' ' << permits_token(op.token).substr(57)
        << " of " << op.capacity << " ttl " << op.ttl.count() << (op.wait ? " wait" : " try")
        << (op.first ? " first" : "");
    if (op.ticket == Ticket::known) out << ", known ticket";
    if (op.ticket == Ticket::shifted) out << ", ticket of now" << op.shift.count() << "us";
    if (op.old) out << ", in place of " << *op.old;
  }
  void operator()(const Flood& op) const {
    out << "flood of " << op.size << " at " << op.key << (op.waits ? " wait" : " try")
        << (op.gone ? " gone" : "");
  }
  void operator()(const GiveBack& op) const {
    out << "give back " << op.key << " token " << op.token;
  }
  void operator()(const KeepOn& op) const {
    out << "renew " << op.key << " token " << op.token << " and " << op.other << " ttl "
        << op.ttl.count();
  }
  void operator()(const Write& op) const {
    out << "write_fence " << op.key << " token " << op.token << " ttl " << op.ttl.count() << " to "
        << (op.noted ? "its own" : "") << op.by << (op.is_new ? " new" : " used");
  }
  void operator()(const BreakOff& op) const {
    out << "break " << op.key << " token " << op.token << " how " << op.how;
  }
  void operator()(const Resize& op) const { out << "resize " << op.key << " to " << op.capacity; }
  void operator()(const MutexToo& op) const {
    out << "mutex " << op.key << " token " << op.token << (op.release ? " release" : " acquire");
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

rc::Gen<int> one_key() { return gen::weightedElement<int>({{5, 0}, {1, 1}}); }
rc::Gen<int> one_token() {
  return gen::weightedOneOf<int>({{8, gen::inRange(0, 16)}, {1, gen::inRange(16, tokens)}});
}
rc::Gen<bool> rarely(int n) {
  return gen::map(gen::inRange(0, n), [](int drawn) { return drawn == 0; });
}
rc::Gen<Millis> one_ttl() { return gen::element<Millis>(3000ms, 1ms, 400ms, 30000ms); }

rc::Gen<Step> any_take() {
  return step(gen::build<Take>(
      gen::set(&Take::key, one_key()), gen::set(&Take::token, one_token()),
      gen::set(&Take::capacity, gen::weightedElement<std::int64_t>({{12, 3}, {1, 4}})),
      gen::set(&Take::ttl, one_ttl()),
      gen::set(&Take::wait, gen::map(rarely(6), [](bool tries) { return !tries; })),
      gen::set(&Take::first, rarely(8)),
      gen::set(&Take::ticket, gen::weightedElement<Ticket>(
                                  {{4, Ticket::none}, {4, Ticket::known}, {1, Ticket::shifted}})),
      gen::set(&Take::shift, gen::element<Micros>(-5s, -16s, 1s, -4s - 1us)),
      gen::set(&Take::old,
               gen::weightedOneOf<std::optional<int>>(
                   {{8, gen::just(std::optional<int>{})},
                    {1, gen::map(one_token(), [](int old) { return std::optional{old}; })}}))));
}

rc::Gen<Step> any_advance() {
  const auto forward = gen::element<Micros>(1us, 999us, 1ms, 49ms, 400ms, 2999ms, 3000ms, 3001ms,
                                            1s, 4s, 4s + 1us, 5s);
  const auto far = gen::element<Micros>(15s, 15s + 1us, 20s, 20s + 1ms, 31s, 3600s);
  const auto back = gen::element<Micros>(-1us, -100ms, -2s, -60s);
  return step(gen::build<Advance>(
      gen::set(&Advance::by, gen::weightedOneOf<Micros>({{12, forward}, {2, far}, {1, back}}))));
}

rc::Gen<Step> any_step() {
  const auto part = gen::weightedElement<Part>({{3, Part::lock},
                                                {1, Part::queue},
                                                {3, Part::seen},
                                                {1, Part::fence},
                                                {1, Part::all},
                                                {1, Part::scripts}});
  return gen::weightedOneOf<Step>({
      {40, any_take()},
      {20, step(gen::build<GiveBack>(gen::set(&GiveBack::key, one_key()),
                                     gen::set(&GiveBack::token, one_token())))},
      {6, step(gen::build<KeepOn>(
              gen::set(&KeepOn::key, one_key()), gen::set(&KeepOn::token, one_token()),
              gen::set(&KeepOn::other, one_token()), gen::set(&KeepOn::ttl, one_ttl())))},
      {10, step(gen::build<Write>(
               gen::set(&Write::key, one_key()), gen::set(&Write::token, one_token()),
               gen::set(&Write::ttl, one_ttl()),
               gen::set(&Write::by, gen::element<std::int64_t>(0, -1, 1, -20, 20, 1000000)),
               gen::set(&Write::noted, gen::arbitrary<bool>()),
               gen::set(&Write::is_new, gen::map(rarely(4), [](bool used) { return !used; }))))},
      {4, step(gen::build<BreakOff>(gen::set(&BreakOff::key, one_key()),
                                    gen::set(&BreakOff::token, one_token()),
                                    gen::set(&BreakOff::how, gen::inRange(0, 3))))},
      {3,
       step(gen::build<Resize>(gen::set(&Resize::key, one_key()),
                               gen::set(&Resize::capacity, gen::element<std::int64_t>(
                                                               3, 3, 1, 2, 4, 200, 0, 1 << 30))))},
      {2, step(gen::build<MutexToo>(gen::set(&MutexToo::key, one_key()),
                                    gen::set(&MutexToo::token, gen::inRange(0, 4)),
                                    gen::set(&MutexToo::release, gen::arbitrary<bool>())))},
      {2, step(gen::build<Flood>(gen::set(&Flood::key, one_key()),
                                 gen::set(&Flood::size, gen::inRange(62, 67)),
                                 gen::set(&Flood::waits, gen::arbitrary<bool>()),
                                 gen::set(&Flood::gone, gen::arbitrary<bool>())))},
      {12, step(gen::build<Subscribe>(
               gen::set(&Subscribe::client, gen::inRange(0, client_count)),
               gen::set(&Subscribe::on, gen::map(rarely(5), [](bool off) { return !off; }))))},
      {4, step(gen::build<Drop>(gen::set(&Drop::key, one_key()), gen::set(&Drop::part, part)))},
      {1, step(gen::build<WrongType>(gen::set(&WrongType::key, one_key())))},
      {1, step(gen::build<MayPublish>(gen::set(&MayPublish::allowed, gen::arbitrary<bool>())))},
      {16, any_advance()},
  });
}

// --- carrying it out ----------------------------------------------------------------------------

class PermitsComparison : public Comparison {
 public:
  using Comparison::Comparison;

  void run(const std::vector<Step>& history) {
    reset();
    told_.clear();
    for (const auto& one : history) {
      RC_LOG() << one << '\n';
      std::visit([&](const auto& kind) { carry_out(kind); }, one.kind);
      compare();
      check_sums();
    }
  }

 private:
  using Comparison::carry_out;

  void carry_out(const Take& op) {
    PermitsModel::Acquire request{.key = key_name(op.key),
                                  .token = permits_token(op.token),
                                  .ttl = op.ttl,
                                  .capacity = op.capacity,
                                  .wait = op.wait,
                                  .first = op.first,
                                  .old = op.old ? permits_token(*op.old) : ""};
    // Some clients know no seals.
    if (op.wait && op.token % 4 != 0) {
      request.seal = "1234567890123456." + std::to_string(op.token);
    }
    auto& told = told_[{request.key, request.token}];
    if (op.ticket == Ticket::known && told != 0) request.ticket = told;
    if (op.ticket == Ticket::shifted) request.ticket = (now() + op.shift).count();
    replies(permits_.acquire(now(), request), store_.take_permits(request));
    for (const auto& entry : model_.state(now(), request.key).queue) {
      if (entry.token == request.token) told = entry.score;
    }
  }

  void carry_out(const Flood& op) {
    for (int number = 0; number < op.size; ++number) {
      const int client = op.gone ? absent_client : 1;
      const PermitsModel::Acquire request{.key = key_name(op.key),
                                          .token = make_token(client, 100 + number, "3000:1"),
                                          .ttl = Millis{1000},
                                          .capacity = op.waits ? 3 : 200,
                                          .wait = op.waits};
      replies(permits_.acquire(now(), request), store_.take_permits(request));
    }
  }

  void carry_out(const GiveBack& op) {
    const auto token = permits_token(op.token);
    replies(permits_.release(now(), key_name(op.key), token),
            store_.release_permits(key_name(op.key), token));
  }

  void carry_out(const KeepOn& op) {
    const auto key = key_name(op.key);
    const std::vector<PermitsModel::Renewal> renewals{{key, permits_token(op.token), op.ttl, 77},
                                                      {key, permits_token(op.other), op.ttl, 78}};
    replies(permits_.renew(now(), "echo", renewals), store_.renew_permits("echo", renewals));
  }

  std::int64_t noted(const std::string& key, const std::string& token, std::int64_t otherwise) {
    const auto seen = model_.state(now(), key).seen;
    const auto found = seen.find(token);
    return found == seen.end() ? otherwise : found->second;
  }

  bool is_another_s(std::int64_t counter, const std::string& key, const std::string& token) {
    const auto seen = model_.state(now(), key).seen;
    return std::any_of(seen.begin(), seen.end(), [&](const auto& entry) {
      return entry.second == counter && entry.first != token;
    });
  }

  void carry_out(const Write& op) {
    const auto key = key_name(op.key);
    const auto token = permits_token(op.token);
    const auto from = op.noted ? noted(key, token, model_.fence()) : model_.fence();
    auto counter = std::max(from + op.by, std::int64_t{1} << 40);
    // A break could meet either of two.
    while (!op.is_new && is_another_s(counter, key, token)) ++counter;
    const PermitsModel::Renewal lease{key, token, op.ttl, counter};
    replies(permits_.write_fence(now(), lease, op.is_new),
            store_.write_permits_fence(lease, op.is_new));
  }

  void carry_out(const BreakOff& op) {
    const auto key = key_name(op.key);
    const auto counter = noted(key, permits_token(op.token), 5);
    const std::string how{op.how == 0 ? "ask" : op.how == 1 ? "force" : "look"};
    replies(permits_.break_(now(), key, counter, how), store_.break_permits(key, counter, how));
  }

  void carry_out(const Resize& op) {
    const auto key = key_name(op.key);
    replies(permits_.resize(now(), key, op.capacity), store_.resize(key, op.capacity));
  }

  void carry_out(const MutexToo& op) {
    const auto key = key_name(op.key);
    const auto token = make_token(op.token, 90 + op.token);
    if (op.release) {
      replies(model_.release(now(), key, token), store_.release(key, token));
    } else {
      const StoreModel::Acquire request{.key = key, .token = token, .ttl = Millis{400}};
      replies(model_.acquire(now(), request), store_.acquire(request));
    }
  }

  // The permits in use are the weights of the holders.
  void check_sums() {
    for (int key = 0; key < key_count; ++key) {
      const auto value = store_.state(key_name(key)).value;
      if (!value.starts_with("permits")) continue;
      std::int64_t weights = 0;
      std::int64_t used = 0;
      std::istringstream words{value};
      for (std::string word; words >> word;) {
        const auto at = word.find('@');
        if (word.starts_with("=used")) used = -std::stoll(word.substr(at + 1));
        if (word.starts_with("dlock1:")) {
          weights += std::stoll(word.substr(word.rfind(':', at) + 1));
        }
      }
      same("the sum of the weights", weights, used);
    }
  }

  PermitsModel permits_{model_};
  std::map<std::pair<std::string, std::string>, std::int64_t> told_;
};

TEST(PermitsConformance, ScriptsDoWhatTheModelSays) {
  Store store;
  PermitsComparison comparison{store};
  check_histories(
      [&] { comparison.run(*gen::scale(1.5, gen::container<std::vector<Step>>(any_step()))); });
}

}  // namespace

}  // namespace dlock::test
