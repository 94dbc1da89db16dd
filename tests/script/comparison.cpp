// A history carried out on a real server and on the model side by side.
#include "script/comparison.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace dlock::test {

namespace {

void show(std::ostream& out, const char* name, const std::vector<ModelQueue::Entry>& entries) {
  out << "; " << name;
  for (const auto& entry : entries) out << ' ' << entry.token << '@' << entry.score;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const LockState& state) {
  out << state.value << " pttl " << state.pttl;
  show(out, "queue", state.queue);
  out << " pttl " << state.queue_pttl << "; seen";
  for (const auto& [token, time] : state.seen) out << ' ' << token << '@' << time;
  return out << " pttl " << state.seen_pttl;
}

std::ostream& operator<<(std::ostream& out, const GateState& state) {
  for (const auto& [field, value] : state.fields) out << field << '=' << value << ' ';
  out << "pttl " << state.pttl;
  show(out, "queue", state.queue);
  out << " pttl " << state.queue_pttl;
  show(out, "third key", state.third);
  return out << " pttl " << state.third_pttl;
}

namespace {

// Servers word their errors differently.
std::string without_wording(std::string reply) {
  if (reply.starts_with('-')) {
    reply.resize(std::min(reply.size(), reply.find(' ')));
  } else if (const auto mute = reply.find(" mute "); mute != std::string::npos) {
    reply.resize(mute + 5);
  }
  return reply;
}

}  // namespace

Comparison::Comparison(Store& store)
    : store_(store), model_([this](std::string_view channel, std::string_view message) {
        return publish(channel, message);
      }) {
  for (int client = 0; client < client_count; ++client) {
    ears_[client] = std::make_unique<Subscriber>(store.server(), channel_of_client(client));
  }
}

void Comparison::reset() {
  store_.reset();
  model_.flush();
  model_may_publish_ = true;
  for (auto& ear : ears_) {
    if (ear->is_subscribed()) ear->unsubscribe();
    (void)ear->take();
  }
}

void Comparison::replies(std::string model, std::string real) {
  model = without_wording(std::move(model));
  real = without_wording(std::move(real));
  RC_LOG() << "    " << model << '\n';
  same("the reply", model, real);
}

void Comparison::carry_out(const Subscribe& op) {
  auto& ear = *ears_[op.client];
  if (op.on && !ear.is_subscribed()) ear.subscribe();
  if (!op.on && ear.is_subscribed()) ear.unsubscribe();
}

void Comparison::carry_out(const ForeignSet& op) {
  const auto key = key_name(op.key);
  const bool set = model_.foreign_set_nx(now(), key, "foreign", op.ttl);
  const auto ttl = std::to_string(op.ttl.value_or(Millis{}).count());
  const auto reply = op.ttl ? store_.command({"SET", key, "foreign", "NX", "PX", ttl})
                            : store_.command({"SET", key, "foreign", "NX"});
  replies(set ? "OK" : "(nil)", reply);
}

void Comparison::carry_out(const Drop& op) {
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

void Comparison::carry_out(const WrongType& op) {
  const auto key = key_name(op.key);
  model_.foreign_wrong_type(key);
  store_.command({"DEL", key});
  store_.command({"RPUSH", key, "element"});
}

void Comparison::carry_out(const MayPublish& op) {
  model_may_publish_ = op.allowed;
  store_.allow_publish(op.allowed);
}

void Comparison::carry_out(const Advance& op) { store_.clock().advance(op.by); }

int Comparison::publish(std::string_view channel, std::string_view message) {
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

void Comparison::compare_pushes() {
  for (auto& ear : ears_) ear->ask_for_messages();
  for (int client = 0; client < client_count; ++client) {
    const auto heard = ears_[client]->take_asked();
    const auto expected = std::exchange(pushes_[client], {});
    for (const auto& message : heard) RC_LOG() << "    -> " << message << '\n';
    RC_ASSERT(heard == expected);
  }
}

void Comparison::compare() {
  compare_pushes();
  for (int key = 0; key < key_count; ++key) {
    const auto name = key_name(key);
    same("the state", model_.state(now(), name), store_.state(name));
  }
  same("the fence", model_.fence(), store_.fence());
}

void check_histories(const std::function<void()>& run) {
  if (std::getenv("RC_PARAMS") == nullptr) {
    const char* seeds = std::getenv("DLOCK_SEEDS");
    const auto count = std::string{"max_success="} + (seeds != nullptr ? seeds : "600");
    ::setenv("RC_PARAMS", count.c_str(), 1);
  }
  rc::detail::checkGTest(run);
}

}  // namespace dlock::test
