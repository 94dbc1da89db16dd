// Hub: what all clients of `dlock serve` see, made once a second for all of them.
#include "cli/serve/hub.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/survey/listing.hpp"
#include "cli/survey/snapshot_json.hpp"
#include "cli/text/doctor_json.hpp"
#include "dlock/doctor.hpp"
#include "dlock/election.hpp"
#include "dlock/inspect.hpp"
#include "inspect/json.hpp"
#include "inspect/lock_json.hpp"
#include "runtime/background_thread.hpp"

namespace dlock::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto interval = 1s;
constexpr auto bucket_length = 10s;
constexpr auto watch_length = 10s;
constexpr auto leader_life = 1s;
constexpr auto doctor_life = 60s;
constexpr auto others_life = 2s;
constexpr std::size_t max_others = 20;  // each needs a connection for a moment
constexpr std::size_t max_locks_of_update = 500;
constexpr std::size_t max_busiest = 100;
constexpr std::size_t max_watched = 50;
constexpr std::size_t max_leaders = 1'000;

}  // namespace

Hub::Hub(Client& client, Sampler& sampler)
    : client_(client), sampler_(sampler), thread_(runtime::background_thread([this] { run(); })) {}

Hub::~Hub() {
  {
    const std::lock_guard hold{mutex_};
    is_over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Hub::run() {
  std::unique_lock hold{mutex_};
  while (!is_over_) {
    hold.unlock();
    const auto snapshot = sampler_.latest();
    const auto now = runtime::boot_now();
    auto rows = list_rows(*snapshot, {}, now);
    if (rows.size() > max_locks_of_update) rows.resize(max_locks_of_update);
    auto json = std::make_shared<const std::string>(snapshot_json(*snapshot, rows, now));
    focus(*snapshot, now);
    hold.lock();
    record(*snapshot, now);
    update_ = {update_.number + 1, std::move(json)};
    changed_.notify_all();
    changed_.wait_for(hold, interval, [this] { return is_over_; });
  }
}

void Hub::record(const Snapshot& snapshot, runtime::BootTime now) {
  if (snapshot.sweeps == 0) return;
  if (now >= next_bucket_) {
    next_bucket_ = now + bucket_length;
    history_[static_cast<std::size_t>(buckets_++) % history_.size()] = {};
  }
  auto& bucket = history_[static_cast<std::size_t>(buckets_ - 1) % history_.size()];
  const auto totals = totals_of(snapshot, now);
  const auto raise = [](std::int64_t& figure, auto value) {
    figure = std::max(figure, static_cast<std::int64_t>(value));
  };
  raise(bucket.waiters, totals.waiters);
  raise(bucket.longest_wait_ms, totals.longest_wait.count());
  raise(bucket.held, totals.held);
}

void Hub::focus(const Snapshot& snapshot, runtime::BootTime now) {
  std::vector<std::string> names;
  {
    const std::lock_guard hold{mutex_};
    std::erase_if(watched_, [now](const auto& item) { return item.second < now; });
    for (const auto& [name, until] : watched_) names.push_back(name);
  }
  const auto rows = list_rows(snapshot, {}, now);
  for (const auto& row : rows) {
    if (names.size() >= max_busiest) break;
    if (std::ranges::find(names, row.lock->info.name) == names.end()) {
      names.push_back(row.lock->info.name);
    }
  }
  sampler_.focus(std::move(names));
}

void Hub::watch(const std::string& name) {
  const std::lock_guard hold{mutex_};
  if (watched_.size() < max_watched || watched_.contains(name)) {
    watched_[name] = runtime::boot_now() + watch_length;
  }
}

Hub::Update Hub::after(std::uint64_t number, std::chrono::milliseconds patience) const {
  std::unique_lock hold{mutex_};
  const bool is_later = changed_.wait_for(
      hold, patience, [&] { return is_over_ || (update_.number > number && update_.json); });
  return is_later && !is_over_ ? update_ : Update{number, nullptr};
}

std::string Hub::history_json() const {
  const std::lock_guard hold{mutex_};
  std::vector<std::string> buckets;
  const auto size = static_cast<std::int64_t>(history_.size());
  for (auto i = std::max<std::int64_t>(0, buckets_ - size); i < buckets_; ++i) {
    const auto& bucket = history_[static_cast<std::size_t>(i % size)];
    detail::JsonObject object;
    object.number("waiters", bucket.waiters).number("longest_wait_ms", bucket.longest_wait_ms);
    buckets.push_back(object.number("held", bucket.held).str());
  }
  detail::JsonObject object;
  object.number("seconds_each", std::chrono::seconds{bucket_length}.count());
  return object.raw("buckets", detail::json_array(buckets)).str();
}

std::optional<Leader> Hub::leader(const std::string& name) {
  const std::lock_guard hold{leaders_mutex_};  // one question at a time
  const auto now = runtime::boot_now();
  const auto known = leaders_.find(name);
  if (known != leaders_.end() && now - known->second.read_at < leader_life) {
    return known->second.leader;
  }
  if (leaders_.size() >= max_leaders) leaders_.clear();
  auto& fresh = leaders_[name] = {};
  try {
    fresh.leader = Election{client_, name}.leader();
  } catch (...) {
    fresh.read_at = runtime::boot_now();  // a server that hangs is not asked for each request
    throw;
  }
  fresh.read_at = runtime::boot_now();
  return fresh.leader;
}

template <class Make>
std::string Hub::share(Shared& shared, std::chrono::seconds life, Make make) {
  const std::lock_guard hold{shared.mutex};
  if (shared.json.empty() || runtime::boot_now() - shared.made_at > life) {
    shared.json = make();
    shared.made_at = runtime::boot_now();
  }
  return shared.json;
}

std::string Hub::elections_json() {
  return share(elections_, others_life, [this] {
    std::vector<std::string> elections;
    for (const auto& name : latest()->elections) {
      if (elections.size() == max_others) break;
      const auto found = leader(name);
      detail::JsonObject object;
      object.bytes("name", name).raw("leader", found ? leader_json(*found) : "null");
      elections.push_back(object.str());
    }
    return detail::json_array(elections);
  });
}

std::string Hub::gates_json() {
  return share(gates_, others_life, [this] {
    const auto list = [this](const std::vector<std::string>& names, auto inspect, auto json) {
      std::vector<std::string> gates;
      for (const auto& name : names) {
        if (gates.size() == max_others) break;
        if (const auto gate = inspect(client_, name)) gates.push_back(json(*gate));
      }
      return detail::json_array(gates);
    };
    const auto snapshot = latest();
    detail::JsonObject object;
    object.raw("latches", list(snapshot->latches, inspect_latch, detail::latch_json));
    object.raw("barriers", list(snapshot->barriers, inspect_barrier, detail::barrier_json));
    return object.str();
  });
}

std::string Hub::doctor_json() {
  return share(doctor_, doctor_life, [this] {
    return cli::doctor_json(client_.url(), check_up(client_, {.max_keys = 100'000}));
  });
}

std::string leader_json(const Leader& leader) {
  detail::JsonObject object;
  object.bytes("value", leader.value).text("term", std::to_string(leader.term));
  return object.number("revision", leader.revision).str();
}

}  // namespace dlock::cli
