// The scripts against the reference model: the same replies, pushes and state for random histories.
#include <gtest/gtest.h>

#include "script/comparison.hpp"

namespace dlock::test {

namespace {

// Carries out a history on both sides and compares after each step.
class MutexComparison : public Comparison {
 public:
  using Comparison::Comparison;

  void run(const std::vector<Operation>& history) {
    reset();
    told_.clear();
    for (const auto& operation : history) {
      RC_LOG() << operation << '\n';
      std::visit([&](const auto& kind) { carry_out(kind); }, operation.kind);
      compare();
    }
  }

 private:
  using Comparison::carry_out;

  std::string token_of(Token choice, const std::string& key) {
    const auto value = model_.state(now(), key).value;
    if (choice.of_holder && value.starts_with("dlock1:")) {
      return value.substr(0, value.find(':', 57));
    }
    return pool_token(choice.number);
  }

  std::pair<std::int64_t, int> fence_of(const std::string& key) {
    const auto value = model_.state(now(), key).value;
    const auto sequence = value.rfind(':');
    const auto counter = value.rfind(':', sequence - 1);
    if (!value.starts_with("dlock1:") || counter < 58 || value.ends_with(':')) return {1, 0};
    return {std::stoll(value.substr(counter + 1)), std::stoi(value.substr(sequence + 1))};
  }

  void carry_out(const Acquire& op) {
    StoreModel::Acquire request{.key = key_name(op.key),
                                .token = token_of(op.token, key_name(op.key)),
                                .ttl = op.ttl,
                                .wait = op.wait,
                                .keep = op.keep && !op.wait,
                                .old = op.old ? token_of(*op.old, key_name(op.key)) : ""};
    auto& told = told_[{request.key, request.token}];
    if (op.ticket == Ticket::known && told != 0) request.ticket = told;
    if (op.ticket == Ticket::shifted) request.ticket = (now() + op.shift).count();
    if (op.recent) request.recent = model_.fence() + *op.recent;
    // Some clients know no seals.
    if (op.wait && op.token.number % 4 != 0) {
      request.seal = "1234567890123456." + std::to_string(op.token.number);
    }
    const auto reply = model_.acquire(now(), request);
    replies(reply, store_.acquire(request));
    if (const auto score = queued_as(request)) told = *score;
  }

  void carry_out(const AcquireBare& op) {
    const auto key = key_name(op.key);
    const auto token = token_of(op.token, key);
    auto real = store_.acquire_bare(key, token, op.ttl);
    // The wording of the error inside.
    if (const auto error = real.find("-WRONGTYPE "); error != std::string::npos) {
      const auto end = real.find(" value ", error) + 6;
      real.erase(error + 10, end - error - 10);
    }
    replies(model_.acquire_bare(now(), key, token, op.ttl), real);
  }

  void carry_out(const ReleaseBare& op) {
    const auto key = key_name(op.key);
    const auto token = token_of(op.token, key);
    replies(model_.release_bare(now(), key, token), store_.release_bare(key, token));
  }

  void carry_out(const AcquireAll& op) {
    std::vector<StoreModel::Acquire> requests;
    for (const auto& token : op.tokens) {
      const auto key = key_name((op.first + static_cast<int>(requests.size())) % key_count);
      requests.push_back({.key = key, .token = token_of(token, key), .ttl = op.ttl});
    }
    replies(model_.acquire_all(now(), requests), store_.acquire_all(requests));
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
      replies(model_.acquire(now(), request), store_.acquire(request));
    }
  }

  void carry_out(const Release& op) {
    const auto key = key_name(op.key);
    const auto token = token_of(op.token, key);
    replies(model_.release(now(), key, token, op.keep), store_.release(key, token, op.keep));
  }

  void carry_out(const Renew& op) {
    std::vector<StoreModel::Renewal> renewals;
    for (const auto& lease : op.leases) {
      const auto key = key_name(lease.key);
      renewals.push_back(
          {key, token_of(lease.token, key), lease.ttl, lease.sequence, lease.ttl.count()});
    }
    replies(model_.renew(now(), "echo", renewals), store_.renew("echo", renewals));
  }

  void carry_out(const WriteFence& op) {
    const auto key = key_name(op.key);
    const auto token = token_of(op.token, key);
    const auto counter = std::max<std::int64_t>(model_.fence() + op.by, 1);
    replies(model_.write_fence(now(), key, token, op.ttl, counter),
            store_.write_fence(key, token, op.ttl, counter));
  }

  void carry_out(const Break& op) {
    const auto key = key_name(op.key);
    const auto value = model_.state(now(), key).value;
    if (!op.ask && (value.size() <= 64 || value.ends_with(':'))) {
      replies(model_.break_unrecorded(now(), key, value), store_.break_unrecorded(key, value));
    }
    const auto [counter, sequence] = fence_of(key);
    const auto asked_counter = counter + op.counter_off;
    const auto asked_sequence = sequence + op.sequence_off;
    replies(model_.break_(now(), key, asked_counter, asked_sequence, op.ask),
            store_.break_(key, asked_counter, asked_sequence, op.ask));
  }

  std::map<std::pair<std::string, std::string>, std::int64_t> told_;
};

TEST(Conformance, ScriptsDoWhatTheModelSays) {
  Store store;
  MutexComparison comparison{store};
  check_histories([&] { comparison.run(*any_history()); });
}

}  // namespace

}  // namespace dlock::test
