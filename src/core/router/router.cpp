// Router: finds the engine for a call or an event, and connects the engines with the quorum.
#include "core/router/router.hpp"

#include <algorithm>

#include "core/wire/keys.hpp"

namespace dlock::core {
namespace {

/// The number of lease ids of one engine, before those of the next begin.
constexpr std::uint64_t ids_of_an_engine = std::uint64_t{1} << 44;
constexpr auto never = Instant::max();

}  // namespace

Router::Router(Settings settings) : settings_(std::move(settings)) {
  // A quorum's engines count parts.
  settings_.engine.statistics =
      settings_.mode == Mode::quorum ? std::make_shared<Statistics>() : statistics_;
  if (settings_.mode == Mode::cluster) {
    return;
  }
  std::vector<Engine*> engines;
  for (std::size_t i = 0; i < settings_.servers; ++i) {
    engines.push_back(&add(0).engine);
  }
  if (settings_.mode == Mode::quorum) {
    const auto& of_each = settings_.engine;
    quorum_ = std::make_unique<Quorum>(
        Quorum::Settings{of_each.request_timeout, of_each.patience, of_each.random, statistics_},
        engines);
  }
}

Router::~Router() = default;

Router::Shard& Router::add(std::uint16_t slot) {
  auto settings = settings_.engine;
  settings.last_id = shards_.size() * ids_of_an_engine;
  if (has_engine_for_each_slot()) {
    settings.client = client_on(slot, bits_of(settings.random)[0]);
    settings.fence_key = settings_.mode == Mode::cluster ? fence_key_on(slot)
                         : has_slots_                    ? fence_key_behind_endpoint(slot)
                                                         : std::string{fence_key};
  }
  alarms_.push_back(never);
  return *shards_.emplace_back(std::make_unique<Shard>(std::move(settings), shards_.size(), slot));
}

Router::Shard& Router::of(std::string_view key) {
  if (!has_engine_for_each_slot()) {
    return *shards_.front();
  }
  const auto slot = slot_of(key);
  auto& shard = by_slot_[slot];
  if (shard == nullptr) {
    shard = &add(slot);
  }
  return *shard;
}

// The first engine of an endpoint has the leases from before `use_slots`.
Router::Shard& Router::holder_of(const LeaseRecord& lease) {
  return settings_.mode == Mode::endpoint ? *shards_[lease.id / ids_of_an_engine] : of(lease.key);
}

std::optional<ServerId> Router::find(std::string_view key) const {
  if (!has_engine_for_each_slot()) {
    return 0;
  }
  if (settings_.mode == Mode::endpoint && key == channel_of(shards_.front()->engine.client())) {
    return 0;
  }
  const auto found = by_slot_.find(slot_of(key));
  return found == by_slot_.end() ? std::nullopt : std::optional{found->second->server};
}

// To be called after each call of an engine, to note its actions and its timer.
Engine& Router::touch(Instant now, Shard& shard) {
  now_ = std::max(now_, now);
  if (!shard.is_touched) {
    shard.is_touched = true;
    touched_.push_back(&shard);
  }
  return shard.engine;
}

// After a call of the quorum, its engines may have actions too.
Quorum& Router::touch_quorum(Instant now) {
  quorum_is_touched_ = true;
  for (auto shard = shards_.rbegin(); shard != shards_.rend(); ++shard) {
    touch(now, **shard);
  }
  return *quorum_;
}

// --- requests of users --------------------------------------------------------------------------

ServerId Router::acquire(Instant now, WaiterId waiter, AcquireRequest&& request) {
  if (quorum_) {
    touch_quorum(now).acquire(now, waiter, std::move(request));
    return 0;
  }
  auto& shard = of(request.key);
  touch(now, shard).acquire(now, waiter, std::move(request));
  return shard.server;
}

ServerId Router::acquire_all(Instant now,
                             std::vector<std::pair<WaiterId, AcquireRequest>> requests) {
  if (quorum_) {
    touch_quorum(now).acquire_all(now, requests);
    return 0;
  }
  auto& shard = of(requests.front().second.key);
  touch(now, shard).acquire_all(now, std::move(requests));
  return shard.server;
}

ServerId Router::exchange(Instant now, WaiterId waiter, AcquireRequest&& request,
                          const LeaseRecord& lease) {
  if (quorum_) {
    touch_quorum(now).exchange(now, waiter, request, lease);
    return 0;
  }
  auto& shard = holder_of(lease);
  touch(now, shard).exchange(now, waiter, std::move(request), lease);
  return shard.server;
}

void Router::cancel(Instant now, ServerId asked, WaiterId waiter) {
  if (quorum_) {
    touch_quorum(now).cancel(now, waiter);
    return;
  }
  touch(now, *shards_[asked]).cancel(now, waiter);
  if (settings_.mode == Mode::endpoint && asked == 0) {  // it may have moved
    for (const auto& shard : shards_) {
      touch(now, *shard).cancel(now, waiter);
    }
  }
}

void Router::release(Instant now, const LeaseRecord& lease) {
  quorum_ ? touch_quorum(now).release(now, lease)
          : touch(now, holder_of(lease)).release(now, lease);
}

// The engines of a quorum continue, since its leases need them.
void Router::close(Instant now) {
  if (quorum_) {
    touch_quorum(now).close(now);
    return;
  }
  for (const auto& shard : shards_) {
    touch(now, *shard).close(now);
  }
}

void Router::withdraw(Instant now) {
  for (const auto& shard : shards_) {
    touch(now, *shard).withdraw(now);
  }
}

void Router::use_slots(Instant now, bool has_slots) {
  if (quorum_ || settings_.mode == Mode::cluster || has_slots == has_slots_) {
    return;
  }
  has_slots_ = has_slots;
  settings_.mode = Mode::endpoint;
  auto& first = *shards_.front();
  first.engine.use_fences_of_slots(has_slots);
  for (const auto& [slot, shard] : by_slot_) {
    shard->engine.use_fence(has_slots ? fence_key_behind_endpoint(slot) : std::string{fence_key});
  }
  for (auto& [waiter, request] : touch(now, first).take_waits(now)) {
    auto& shard = of(request.key);
    touch(now, shard).acquire(now, waiter, std::move(request));
  }
}

// --- events of servers --------------------------------------------------------------------------

void Router::on_connected(Instant now, ServerId server, bool old_is_dead) {
  touch(now, *shards_[server]).on_connected(now, old_is_dead);
}

void Router::on_connect_failed(Instant now, ServerId server, errc code, const std::string& what,
                               bool may_recover) {
  touch(now, *shards_[server]).on_connect_failed(now, code, what, may_recover);
}

void Router::on_disconnected(Instant now, ServerId server, const std::string& why) {
  touch(now, *shards_[server]).on_disconnected(now, why);
}

void Router::on_reply(Instant now, ServerId server, const Reply& reply) {
  touch(now, *shards_[server]).on_reply(now, reply);
}

void Router::on_message(Instant now, ServerId server, std::string_view message) {
  touch(now, *shards_[server]).on_message(now, message);
}

void Router::on_changed(Instant now, ServerId server, std::optional<std::string_view> key) {
  touch(now, *shards_[server]).on_changed(now, key);
}

void Router::count_as_silent(ServerId server, bool is_silent) {
  shards_[server]->engine.count_as_silent(is_silent);
}

void Router::on_unblocked(Instant now, const LeaseRecord& lease, Instant sent) {
  touch(now, holder_of(lease)).on_unblocked(now, lease, sent);
}

void Router::on_timer(Instant now) {
  now_ = std::max(now_, now);
  for (auto server = alarms_.size(); server-- > 0;) {  // the last touched engine acts first
    if (alarms_[server] <= now) {
      touch(now, *shards_[server]).on_timer(now);
    }
  }
  if (quorum_alarm_ <= now) {
    touch_quorum(now).on_timer(now);
  }
}

// --- actions ------------------------------------------------------------------------------------

std::optional<ServerId> Router::take_touched(std::vector<Action>& into) {
  for (;;) {
    while (!touched_.empty()) {
      auto& shard = *touched_.back();
      touched_.pop_back();
      shard.is_touched = false;
      shard.engine.take_actions(into);
      if (quorum_) {
        take_to_quorum(shard.server, into);
      }
      alarms_[shard.server] = shard.engine.next_timer().value_or(never);
      const bool was_idle = std::exchange(shard.is_idle, shard.engine.idle());
      busy_ += static_cast<std::size_t>(was_idle) - static_cast<std::size_t>(shard.is_idle);
      if (!into.empty()) {
        return shard.server;
      }
    }
    if (!std::exchange(quorum_is_touched_, false)) {
      return std::nullopt;
    }
    quorum_->take_actions(into);
    quorum_alarm_ = quorum_->next_timer().value_or(never);
    if (!into.empty()) {
      return 0;
    }
  }
}

void Router::take_to_quorum(ServerId server, std::vector<Action>& actions) {
  const auto taken = std::erase_if(
      actions, [&](const Action& action) { return quorum_->on_action(now_, server, action); });
  if (taken > 0) {
    touch_quorum(now_);
  }
}

bool Router::settled() const {
  return std::all_of(shards_.begin(), shards_.end(),
                     [](const auto& shard) { return shard->engine.settled(); });
}

Stats Router::stats() const {
  auto stats = statistics_->stats();
  for (const auto& shard : shards_) {
    shard->engine.counters().add_to(stats);
  }
  return stats;
}

}  // namespace dlock::core
