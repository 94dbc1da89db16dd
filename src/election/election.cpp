// The Election handle.
#include "dlock/election.hpp"

#include <utility>

#include "election/election_watcher.hpp"
#include "election/leader_value.hpp"
#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "store/server_set.hpp"

namespace dlock {
namespace {

std::unique_ptr<detail::LeaderValue> proclaimed(const Lease& lease, std::string_view value,
                                                const std::stop_token& stop) {
  auto leader_value = std::make_unique<detail::LeaderValue>(lease);
  leader_value->proclaim(value, stop);
  return leader_value;
}

}  // namespace

Election::Election(Client& client, std::string_view name, LockOptions options)
    : spec_(std::make_shared<detail::LockSpec>(client, name, options)) {}

Election::~Election() { detail::destroy(spec_); }

Leadership Election::campaign(std::string_view value, std::stop_token stop) {
  return campaign_in(spec_->options.wait, value, stop);
}

Leadership Election::campaign_in(std::optional<std::chrono::milliseconds> limit,
                                 std::string_view value, const std::stop_token& stop) {
  detail::check_proclaimed(value);
  spec_->client->campaigns(spec_->name);
  auto lease = spec_->take_or_throw(limit, stop, {});
  auto leader_value = proclaimed(lease, value, stop);
  spec_->client->leads(spec_->name, *detail::LeaseState::of(lease)->record);
  return Leadership{std::move(lease), std::move(leader_value)};
}

std::optional<Leadership> Election::try_campaign(std::string_view value) {
  return try_campaign_in({}, value, {});
}

std::optional<Leadership> Election::try_campaign_in(std::chrono::milliseconds span,
                                                    std::string_view value, std::stop_token stop) {
  detail::check_proclaimed(value);
  spec_->client->campaigns(spec_->name);
  auto lease = spec_->take(span, stop);
  if (!lease) return std::nullopt;
  auto leader_value = proclaimed(*lease, value, stop);
  spec_->client->leads(spec_->name, *detail::LeaseState::of(*lease)->record);
  return std::optional<Leadership>{std::in_place, std::move(*lease), std::move(leader_value)};
}

std::optional<Leader> Election::leader() const {
  detail::ServerSet servers{spec_->client->config(), spec_->key};
  return detail::look_at_election(servers, spec_->key).leader;
}

LeaderObserver Election::observe() const {
  return LeaderObserver{
      std::make_unique<detail::ElectionWatcher>(spec_->client, std::string{spec_->key.text()})};
}

LeaderWatch Election::observe(LeaderHandler handler) const {
  return LeaderWatch{observe(), std::move(handler)};
}

const std::string& Election::name() const noexcept { return spec_->name; }

}  // namespace dlock
