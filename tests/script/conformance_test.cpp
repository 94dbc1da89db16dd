// The scripts against the reference model: the same replies, pushes and state for random histories.
//
// DLOCK_SEEDS sets the number of histories. RC_PARAMS is RapidCheck's own: a failure prints the
// value that repeats it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "script/operation.hpp"
#include "script/store.hpp"

namespace dlock::test {

namespace {

std::ostream& operator<<(std::ostream& out, const LockState& state) {
  out << state.value << " pttl " << state.pttl << "; queue";
  for (const auto& entry : state.queue) out << ' ' << entry.token << '@' << entry.score;
  out << " pttl " << state.queue_pttl << "; seen";
  for (const auto& [token, time] : state.seen) out << ' ' << token << '@' << time;
  return out << " pttl " << state.seen_pttl;
}

template <class Value>
void same(const char* what, const Value& model, const Value& real) {
  if (!(model == real)) {
    std::ostringstream text;
    text << what << " differs\n  model: " << model << "\n  real:  " << real;
    RC_FAIL(text.str());
  }
}

// Servers word their errors differently.
std::string without_wording(std::string reply) {
  if (reply.starts_with('-')) {
    reply.resize(std::min(reply.size(), reply.find(' ')));
  } else if (const auto mute = reply.find(" mute "); mute != std::string::npos) {
    reply.resize(mute + 5);
  }
  return reply;
}

// Carries out a history on both sides and compares after each step.
class Comparison {
 public:
  explicit Comparison(Store& store) : store_(store) {
    for (int client = 0; client < client_count; ++client) {
      ears_[client] = std::make_unique<Subscriber>(store.server(), channel_of_client(client));
    }
  }

  void run(const std::vector<Operation>& history) {
    store_.reset();
    model_.flush();
    model_may_publish_ = true;
    told_.clear();
    for (auto& ear : ears_) {
      if (ear->is_subscribed()) ear->unsubscribe();
      (void)ear->take();
    }
    for (const auto& operation : history) {
      RC_LOG() << operation << '\n';
      std::visit([&](const auto& kind) { carry_out(kind); }, operation.kind);
      compare();
    }
  }

 private:
  [[nodiscard]] Micros now() { return store_.clock().now(); }

  std::string token_of(Token choice, const std::string& key) {
    const auto value = model_.state(now(), key).value;
    if (choice.of_holder && value.starts_with("dlock1:")) {
      const auto counter = value.rfind(':', value.rfind(':') - 1);
      return value.substr(0, counter);
    }
    return pool_token(choice.number);
  }

  std::pair<std::int64_t, int> fence_of(const std::string& key) {
    const auto value = model_.state(now(), key).value;
    if (!value.starts_with("dlock1:")) return {1, 0};
    const auto sequence = value.rfind(':');
    const auto counter = value.rfind(':', sequence - 1);
    return {std::stoll(value.substr(counter + 1)), std::stoi(value.substr(sequence + 1))};
  }

  void replies(std::string model, std::string real) {
    model = without_wording(std::move(model));
    real = without_wording(std::move(real));
    RC_LOG() << "    " << model << '\n';
    same("the reply", model, real);
  }

  void carry_out(const Acquire& op) {
    StoreModel::Acquire request{.key = key_name(op.key),
                                .token = token_of(op.token, key_name(op.key)),
                                .ttl = op.ttl,
                                .wait = op.wait,
                                .old = op.old ? token_of(*op.old, key_name(op.key)) : ""};
    auto& told = told_[{request.key, request.token}];
    if (op.ticket == Ticket::known && told != 0) request.ticket = told;
    if (op.ticket == Ticket::shifted) request.ticket = (now() + op.shift).count();
    const auto reply = model_.acquire(now(), request);
    replies(reply, store_.acquire(request));
    if (const auto score = queued_as(request)) told = *score;
  }

  std::optional<std::int64_t> queued_as(const StoreModel::Acquire& request) {
    for (const auto& entry : model_.state(now(), request.key).queue) {
      if (entry.token == request.token) return entry.score;
    }
    return std::nullopt;
  }

  void carry_out(const Crowd& op) {
    for (int number = 0; number < op.size; ++number) {
      const StoreModel::Acquire request{
          .key = key_name(op.key), .token = make_token(absent_client, number), .ttl = Millis{1000}};
      same("the reply", without_wording(model_.acquire(now(), request)),
           without_wording(store_.acquire(request)));
    }
  }

  void carry_out(const Release& op) {
    const auto key = key_name(op.key);
    const auto token = token_of(op.token, key);
    replies(model_.release(now(), key, token), store_.release(key, token));
  }

  void carry_out(const Renew& op) {
    std::vector<StoreModel::Renewal> renewals;
    for (const auto& lease : op.leases) {
      const auto key = key_name(lease.key);
      renewals.push_back({key, token_of(lease.token, key), lease.ttl, lease.sequence});
    }
    replies(model_.renew(now(), "echo", renewals), store_.renew("echo", renewals));
  }

  void carry_out(const Break& op) {
    const auto key = key_name(op.key);
    const auto [counter, sequence] = fence_of(key);
    const auto asked_counter = counter + op.counter_off;
    const auto asked_sequence = sequence + op.sequence_off;
    replies(model_.break_(now(), key, asked_counter, asked_sequence, op.ask),
            store_.break_(key, asked_counter, asked_sequence, op.ask));
  }

  void carry_out(const Subscribe& op) {
    auto& ear = *ears_[op.client];
    if (op.on && !ear.is_subscribed()) ear.subscribe();
    if (!op.on && ear.is_subscribed()) ear.unsubscribe();
  }

  void carry_out(const ForeignSet& op) {
    const auto key = key_name(op.key);
    const bool set = model_.foreign_set_nx(now(), key, "foreign", op.ttl);
    const auto ttl = std::to_string(op.ttl.value_or(Millis{}).count());
    const auto reply = op.ttl ? store_.command({"SET", key, "foreign", "NX", "PX", ttl})
                              : store_.command({"SET", key, "foreign", "NX"});
    replies(set ? "OK" : "(nil)", reply);
  }

  void carry_out(const Drop& op) {
    const auto key = key_name(op.key);
    switch (op.part) {
      case Part::lock:
        replies(model_.foreign_del(now(), key) ? "1" : "0", store_.command({"DEL", key}));
        break;
      case Part::queue:
        model_.drop_queue(key);
        store_.command({"DEL", Store::queue_key(key)});
        break;
      case Part::seen:
        model_.drop_seen(key);
        store_.command({"DEL", Store::seen_key(key)});
        break;
      case Part::fence:
        model_.drop_fence();
        store_.command({"DEL", Store::fence_key});
        break;
      case Part::all:
        model_.flush();
        store_.command({"FLUSHALL"});
        break;
      case Part::scripts:
        store_.command({"SCRIPT", "FLUSH"});
        break;
    }
  }

  void carry_out(const WrongType& op) {
    const auto key = key_name(op.key);
    model_.foreign_wrong_type(key);
    store_.command({"DEL", key});
    store_.command({"RPUSH", key, "element"});
  }

  void carry_out(const MayPublish& op) {
    model_may_publish_ = op.allowed;
    store_.allow_publish(op.allowed);
  }

  void carry_out(const Advance& op) { store_.clock().advance(op.by); }

  int publish(std::string_view channel, std::string_view message) {
    if (!model_may_publish_) return -1;
    for (int client = 0; client < client_count; ++client) {
      if (channel == channel_of_client(client)) {
        if (!ears_[client]->is_subscribed()) return 0;
        pushes_[client].emplace_back(message);
        return 1;
      }
    }
    return 0;
  }

  void compare() {
    for (auto& ear : ears_) ear->ask_for_messages();
    for (int client = 0; client < client_count; ++client) {
      const auto heard = ears_[client]->take_asked();
      const auto expected = std::exchange(pushes_[client], {});
      for (const auto& message : heard) RC_LOG() << "    -> " << message << '\n';
      RC_ASSERT(heard == expected);
    }
    for (int key = 0; key < key_count; ++key) {
      const auto name = key_name(key);
      same("the state", model_.state(now(), name), store_.state(name));
    }
    same("the fence", model_.fence(), store_.fence());
  }

  Store& store_;
  std::array<std::unique_ptr<Subscriber>, client_count> ears_;
  std::array<std::vector<std::string>, client_count> pushes_;
  bool model_may_publish_ = true;
  std::map<std::pair<std::string, std::string>, std::int64_t> told_;
  StoreModel model_{[this](std::string_view channel, std::string_view message) {
    return publish(channel, message);
  }};
};

TEST(Conformance, ScriptsDoWhatTheModelSays) {
  if (std::getenv("RC_PARAMS") == nullptr) {
    const char* seeds = std::getenv("DLOCK_SEEDS");
    const auto count = std::string{"max_success="} + (seeds != nullptr ? seeds : "600");
    ::setenv("RC_PARAMS", count.c_str(), 1);
  }
  Store store;
  Comparison comparison{store};
  rc::detail::checkGTest([&] { comparison.run(*any_history()); });
}

}  // namespace

}  // namespace dlock::test
