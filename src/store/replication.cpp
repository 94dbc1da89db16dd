// Replication: renew, WAIT, and judge the answer.
#include "store/replication.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "core/engine/renewals.hpp"
#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "redis/connection.hpp"
#include "runtime/background_thread.hpp"
#include "runtime/clock.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_batch = 128;  // leases in one script call, and requests in one batch

Replication::Failure cancelled() {
  return {errc::cancelled, "the wait for replicas was cancelled; the lock was released"};
}

std::string names_of(const Replication::Records& leases, const std::string& prefix) {
  std::string text = leases.size() == 1 ? "the lock" : "the locks";
  for (const auto& lease : leases) {
    text += lease == leases.front() ? " \"" : ", \"";
    text.append(lease->key.text().substr(prefix.size())).append("\"");
  }
  return text;
}

}  // namespace

Replication::Replication(const StoreConfig& config, runtime::Callbacks& callbacks)
    : config_(config), callbacks_(callbacks) {
  thread_ = runtime::background_thread([this] { run(); });
}

Replication::~Replication() {
  end();
  thread_.join();
}

void Replication::end() {
  {
    const std::lock_guard lock{mutex_};
    ends_ = true;
  }
  stop_.request_stop();
  changed_.notify_all();
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
  const auto expected = std::make_shared<const runtime::Callbacks::Expected>(callbacks_);
  add({std::move(leases), terms, stop,
       [this, expected, then = std::move(then)](Outcome outcome) mutable {
         auto call = [expected, then = std::move(then), outcome = std::move(outcome)]() mutable {
           if (expected->is_wanted()) then(std::move(outcome));
         };
         callbacks_.post(std::move(call), runtime::Callbacks::Fate::dropped);
       }});
}

void Replication::add(Request request) {
  {
    const std::lock_guard lock{mutex_};
    if (!ends_) {
      requests_.push_back(std::move(request));
      changed_.notify_all();
      return;
    }
  }
  request.then(cancelled());
}

void Replication::run() {
  for (auto batch = take_batch(); !batch.empty(); batch = take_batch()) {
    serve(std::move(batch));
  }
  std::unique_lock lock{mutex_};
  auto left = std::exchange(requests_, {});
  lock.unlock();
  for (auto& request : left) request.then(cancelled());
}

// The requests with the same terms as the first one. Empty at the end.
std::vector<Replication::Request> Replication::take_batch() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return ends_ || !requests_.empty(); });
  std::vector<Request> batch;
  if (ends_) return batch;
  const auto terms = requests_.front().terms;
  std::deque<Request> others;
  for (auto& request : requests_) {
    const bool goes_along = request.terms == terms && batch.size() < max_batch;
    goes_along ? batch.push_back(std::move(request)) : others.push_back(std::move(request));
  }
  requests_ = std::move(others);
  return batch;
}

void Replication::serve(std::vector<Request> batch) {
  const auto first_ended = std::partition(
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
    const std::lock_guard lock{mutex_};
    problem = ends_ ? cancelled() : Failure{error.reason(), error.what()};
  }
  std::span<const std::optional<std::int64_t>> rest{answer};
  for (auto& request : batch) {
    if (problem) {
      request.then(problem);
      continue;
    }
    request.then(judge(request, rest.first(request.leases.size())));
    rest = rest.subspan(request.leases.size());
  }
}

Replication::Outcome Replication::judge(
    const Request& request, std::span<const std::optional<std::int64_t>> replicas) const {
  const auto at = runtime::now();
  const auto fewest = *std::ranges::min_element(replicas);  // nullopt is less than any number
  if (!fewest || std::any_of(request.leases.begin(), request.leases.end(), [at](const auto& one) {
        return one->left(at) == core::Duration::zero();
      })) {
    return Failure{errc::lost, names_of(request.leases, config_.options.prefix) +
                                   " ended during the wait for replicas: its key was deleted, "
                                   "another server is the primary now, or the ttl is too short"};
  }
  if (*fewest < request.terms.replicas) {
    return Failure{
        errc::not_replicated,
        config_.url + ": " + std::to_string(*fewest) + " of " +
            std::to_string(request.terms.replicas) + " replicas had " +
            names_of(request.leases, config_.options.prefix) + " within " +
            std::to_string(request.terms.timeout.count()) +
            " ms, so dlock undid the acquisition: look at INFO replication, ask for fewer "
            "replicas (min_replicas), or wait longer (replication_timeout)"};
  }
  return std::nullopt;
}

// An old connection may have ended unnoticed, or lead to a former primary: then it asks again.
Replication::Answer Replication::ask(const Records& leases, const Terms& terms) {
  for (bool fresh = !store_;; fresh = true) {
    try {
      if (fresh) {
        store_.reset();
        store_ = std::make_unique<SideChannel>(config_, stop_.get_token());
      }
      const auto places = renew(leases);
      if (fresh || std::ranges::count(places, nullptr) == 0) {
        return wait_for_replicas(places, terms);
      }
    } catch (const Error&) {
      if (!fresh) continue;
      store_.reset();
      throw;
    }
  }
}

Replication::Places Replication::renew(const Records& leases) {
  Places places(leases.size());
  // A script serves one kind of lock, and on a cluster one slot, that is, one fence counter.
  std::map<std::pair<std::string, core::Kind>, std::vector<std::size_t>> together;
  for (std::size_t i = 0; i < leases.size(); ++i) {
    together[{config_.fence_key_for(leases[i]->key), leases[i]->kind}].push_back(i);
  }
  for (const auto& [what, some] : together) {
    for (std::span<const std::size_t> rest{some}; !rest.empty();) {
      const auto now = rest.first(std::min(rest.size(), max_batch));
      renew_some(leases, now, places);
      rest = rest.subspan(now.size());
    }
  }
  return places;
}

void Replication::renew_some(const Records& leases, std::span<const std::size_t> some,
                             Places& places) {
  const bool permits = leases[some.front()]->kind == core::Kind::permits;
  std::vector<std::string> keys{config_.fence_key_for(leases[some.front()]->key)};
  std::vector<std::string> words{std::string{core::echo_of(leases[some.front()]->token)}};
  for (const auto index : some) {
    const auto& lease = *leases[index];
    const auto& names = lease.key.all();
    keys.insert(keys.end(), {names.lock, names.queue, names.seen});
    core::append_renewal(words, lease, std::chrono::ceil<milliseconds>(lease.ttl).count());
  }
  const std::vector<std::string_view> arguments{words.begin(), words.end()};
  const auto reply = store_->run(permits ? script::permits_renew : script::renew, keys, arguments);
  auto& server = store_->connection_of(keys.front());  // it may have moved
  const auto letters = words[0].size() + 1;
  for (std::size_t i = 0; i < some.size(); ++i) {
    const bool kept = letters + i < reply.text.size() &&
                      (reply.text[letters + i] == 'k' || reply.text[letters + i] == 'b');
    places[some[i]] = kept ? &server : nullptr;
  }
}

// Asks one server after the other within the common time: all replicas go on meanwhile.
Replication::Answer Replication::wait_for_replicas(const Places& places, const Terms& terms) {
  const auto number = std::to_string(terms.replicas);
  const auto end = std::chrono::steady_clock::now() + terms.timeout;
  std::map<redis::Connection*, std::int64_t> replicas;
  Answer answer;
  for (auto* const server : places) {
    if (server == nullptr) {
      answer.emplace_back();
      continue;
    }
    const auto [at, is_new] = replicas.try_emplace(server, 0);
    if (is_new) {
      const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
      const auto span = std::max(left, milliseconds{1});  // 0 would mean no limit
      const auto reply =
          store_->call_on(*server, {"WAIT", number, std::to_string(span.count())}, span);
      if (!core::parse_number(reply.text, at->second)) at->second = 0;
    }
    answer.emplace_back(at->second);
  }
  return answer;
}

}  // namespace dlock::detail
