// Replication: renew, WAIT, and what it means.
#include "client/replication.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "client/client_state.hpp"
#include "client/process.hpp"
#include "client/quiet_thread.hpp"
#include "core/keys.hpp"
#include "core/token.hpp"
#include "redis/connection.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t most_at_once = 128;  // leases in one script call, and requests in one batch

Replication::Failure cancelled() {
  return {errc::cancelled, "the wait for replicas was cancelled, and the lock given back"};
}

std::string keys_of(const Replication::Records& leases) {
  std::string text = leases.size() == 1 ? "the lock" : "the locks";
  for (const auto& lease : leases) {
    text += (lease == leases.front() ? " \"" : ", \"") + lease->key + "\"";
  }
  return text;
}

}  // namespace

Replication::Replication(ClientState& client) : client_(client) {
  thread_ = quiet_thread([this] { run(); });
}

Replication::~Replication() {
  {
    const std::lock_guard lock{mutex_};
    ends_ = true;
    if (store_) store_->connection().hang_up();
  }
  changed_.notify_all();
  thread_.join();
}

Replication::Outcome Replication::await(Records leases, Terms terms, const std::stop_token& stop) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool over = false;
    Outcome outcome;
  };
  const auto waiting = std::make_shared<Waiting>();
  add({std::move(leases), terms, stop, [waiting](Outcome outcome) {
         const std::lock_guard lock{waiting->mutex};
         waiting->outcome = std::move(outcome);
         waiting->over = true;
         waiting->changed.notify_all();
       }});
  std::unique_lock lock{waiting->mutex};
  if (!waiting->changed.wait(lock, stop, [&] { return waiting->over; })) {
    return cancelled();
  }
  return std::move(waiting->outcome);
}

void Replication::start(Records leases, Terms terms, const std::stop_token& stop, Handler then) {
  add({std::move(leases), terms, stop, [this, then = std::move(then)](Outcome outcome) mutable {
         client_.post([then = std::move(then), outcome = std::move(outcome)]() mutable {
           then(std::move(outcome));
         });
       }});
}

void Replication::add(Request request) {
  {
    const std::lock_guard lock{mutex_};
    requests_.push_back(std::move(request));
  }
  changed_.notify_all();
}

void Replication::run() {
  for (auto batch = take_batch(); !batch.empty(); batch = take_batch()) {
    serve(std::move(batch));
  }
}

// Those that ask for the same as the first. None at the end.
std::vector<Replication::Request> Replication::take_batch() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return ends_ || !requests_.empty(); });
  std::vector<Request> batch;
  if (ends_) return batch;
  const auto terms = requests_.front().terms;
  std::deque<Request> others;
  for (auto& request : requests_) {
    const bool goes_along = request.terms == terms && batch.size() < most_at_once;
    goes_along ? batch.push_back(std::move(request)) : others.push_back(std::move(request));
  }
  requests_ = std::move(others);
  return batch;
}

void Replication::serve(std::vector<Request> batch) {
  const auto first_ended = std::stable_partition(
      batch.begin(), batch.end(), [](const Request& one) { return !one.stop.stop_requested(); });
  std::for_each(first_ended, batch.end(), [](Request& one) { one.then(cancelled()); });
  batch.erase(first_ended, batch.end());
  if (batch.empty()) return;

  Records leases;
  for (const auto& request : batch) {
    leases.insert(leases.end(), request.leases.begin(), request.leases.end());
  }
  Answer answer;
  Outcome problem;
  try {
    answer = ask(leases, batch.front().terms);
  } catch (const Error& error) {
    problem = Failure{error.reason(), redis::without_code(error)};
  }
  auto kept = answer.kept.begin();
  for (auto& request : batch) {
    if (problem) {
      request.then(problem);
      continue;
    }
    const auto end = std::next(kept, static_cast<std::ptrdiff_t>(request.leases.size()));
    const bool all_kept = std::all_of(kept, end, [](bool is) { return is; });
    kept = end;
    request.then(judge(request, all_kept, answer.replicas));
  }
}

Replication::Outcome Replication::judge(const Request& request, bool all_kept,
                                        std::int64_t replicas) const {
  const auto at = now();
  if (!all_kept || std::any_of(request.leases.begin(), request.leases.end(), [at](const auto& one) {
        return one->left(at) == core::Duration::zero();
      })) {
    return Failure{errc::lost, keys_of(request.leases) +
                                   " ended while replicas were waited for: its key was deleted, "
                                   "another server is the primary now, or the ttl is too short"};
  }
  if (replicas < request.terms.replicas) {
    return Failure{
        errc::not_replicated,
        client_.url() + ": " + std::to_string(replicas) + " of " +
            std::to_string(request.terms.replicas) + " replicas had " + keys_of(request.leases) +
            " within " + std::to_string(request.terms.timeout.count()) +
            " ms, so it was given back: look at INFO replication, or ask for fewer (min_replicas) "
            "or for longer (replication_timeout)"};
  }
  return std::nullopt;
}

// A connection from before may have ended unseen, or lead to a former primary: then once more.
Replication::Answer Replication::ask(const Records& leases, const Terms& terms) {
  for (bool fresh = !store_;; fresh = true) {
    try {
      if (fresh) connect();
      Answer answer{renew(leases), 0};
      const auto kept = std::count(answer.kept.begin(), answer.kept.end(), true);
      if (fresh || static_cast<std::size_t>(kept) == leases.size()) {
        if (kept > 0) answer.replicas = wait_for_replicas(terms);
        return answer;
      }
    } catch (const Error&) {
      if (!fresh) continue;
      const std::lock_guard lock{mutex_};
      store_.reset();
      throw;
    }
  }
}

void Replication::connect() {
  std::unique_lock lock{mutex_};
  store_.reset();
  if (!ends_) {
    lock.unlock();
    auto store = std::make_unique<Inspector>(client_);
    lock.lock();
    store_ = std::move(store);
  }
  if (ends_) throw_error(errc::cancelled, "the client ends");
}

std::vector<bool> Replication::renew(const Records& leases) {
  std::vector<bool> kept(leases.size());
  for (const auto kind : {core::Kind::mutex, core::Kind::permits}) {
    std::vector<std::size_t> some;
    for (std::size_t i = 0; i < leases.size(); ++i) {
      if (leases[i]->kind == kind) some.push_back(i);
    }
    for (std::span<const std::size_t> rest{some}; !rest.empty();) {
      const auto now = rest.first(std::min(rest.size(), most_at_once));
      renew_some(leases, now, kept);
      rest = rest.subspan(now.size());
    }
  }
  return kept;
}

// Of one kind.
void Replication::renew_some(const Records& leases, std::span<const std::size_t> some,
                             std::vector<bool>& kept) {
  const bool permits = leases[some.front()]->kind == core::Kind::permits;
  std::vector<std::string> keys{std::string{core::fence_key}};
  std::vector<std::string> words{std::string{core::echo_of(leases[some.front()]->token)}};
  for (const auto index : some) {
    const auto& lease = *leases[index];
    auto names = core::lock_keys(lease.key);
    keys.insert(keys.end(), {std::move(names.lock), std::move(names.queue), std::move(names.seen)});
    words.push_back(lease.token);
    words.push_back(std::to_string(std::chrono::ceil<milliseconds>(lease.ttl).count()));
    words.push_back(std::to_string(permits ? lease.fence.counter : lease.fence.sequence));
  }
  const std::vector<std::string_view> arguments{words.begin(), words.end()};
  const auto reply =
      permits ? store_->run(script::permits_renew, script::permits_renew_sha, keys, arguments)
              : store_->run(script::renew, script::renew_sha, keys, arguments);
  const auto letters = words[0].size() + 1;
  for (std::size_t i = 0; i < some.size(); ++i) {
    kept[some[i]] = letters + i < reply.text.size() && reply.text[letters + i] == 'k';
  }
}

std::int64_t Replication::wait_for_replicas(const Terms& terms) {
  const auto number = std::to_string(terms.replicas);
  const auto span = std::to_string(terms.timeout.count());
  const std::array<std::string_view, 3> command{"WAIT", number, span};
  const auto reply = store_->call(command, terms.timeout);
  std::int64_t replicas = 0;
  return core::parse_number(reply.text, replicas) ? replicas : 0;
}

}  // namespace dlock::detail
