// Ledger: counters and queues, checked.
#include "simulation/ledger.hpp"

#include <algorithm>

#include "core/wire/token.hpp"
#include "simulation/violation.hpp"

namespace dlock::sim {

using std::to_string;

void Ledger::asked(const std::string& key, const std::string& token, const Request& request) {
  auto& known = tokens_[token];
  known.key = key;
  known.request = request;
}

void Ledger::queued(const std::string& token, std::int64_t ticket) {
  const auto& known = tokens_.at(token);
  auto& waiter = names_[known.key].waiting[token];
  if (waiter.ticket == 0) {
    waiter = {ticket, known.request.process, false};
  }
  waiter.disturbed = waiter.disturbed || !known.request.hears;
}

void Ledger::acquired(const std::string& token, std::int64_t counter) {
  auto& known = tokens_.at(token);
  auto& name = names_[known.key];
  if (known.counters.contains(counter)) {
    name.waiting.erase(token);
    return;  // a repeat
  }
  if (counter <= name.counter) {
    fail("fence",
         known.key + ": handed out " + to_string(counter) + " after " + to_string(name.counter));
  }
  // The server gives another fence to a holder of permits whose fence it has forgotten.
  const bool holds = !known.counters.empty() && core::weight_of(token);
  if (!known.request.first && !holds) {
    check_order(known.key, name, token);
  }
  name.counter = counter;
  known.counters.insert(counter);
  name.waiting.erase(token);
}

void Ledger::offered(const std::string& token, std::int64_t counter) {
  auto& known = tokens_.at(token);
  auto& name = names_[known.key];
  check_order(known.key, name, token);
  name.counter = std::max(name.counter, counter);
  known.counters.insert(counter);
}

// Whether the server sees all who wait.
bool Ledger::is_in_order(const Name& name) const {
  // In one call the server passes over this number of dead waiters; it sees none behind them.
  constexpr int max_dead = 64;
  const auto dead = std::count_if(name.waiting.begin(), name.waiting.end(),
                                  [](const auto& entry) { return entry.second.disturbed; });
  return !order_is_lost_ && dead < max_dead && stage_.plan.clock_is_sane();
}

// The server passes over no waiter that is undisturbed.
void Ledger::check_order(const std::string& key, const Name& name, const std::string& token) const {
  if (!is_in_order(name)) {
    return;
  }
  const auto place = name.waiting.find(token);
  const auto ticket =
      place == name.waiting.end() ? tokens_.at(token).request.ticket : place->second.ticket;
  for (const auto& [other, waiter] : name.waiting) {
    if (!waiter.disturbed && other != token && (ticket == 0 || waiter.ticket < ticket)) {
      fail("order", key + ": " + token + " got the lock before " + other +
                        ", which has waited since " + to_string(waiter.ticket));
    }
  }
}

void Ledger::check_idle(const std::string& key) const {
  const auto name = names_.find(key);
  if (name == names_.end() || !is_in_order(name->second)) {
    return;
  }
  for (const auto& [token, waiter] : name->second.waiting) {
    if (!waiter.disturbed) {
      fail("idle", key + " was given back and is free, but " + token + " has waited since " +
                       to_string(waiter.ticket));
    }
  }
}

void Ledger::left(const std::string& token) {
  if (const auto known = tokens_.find(token); known != tokens_.end()) {
    names_[known->second.key].waiting.erase(token);
  }
}

void Ledger::forgotten(const std::string& key) {
  for (auto& [name_key, name] : names_) {
    if (key.empty() || key == name_key) {
      for (auto& [token, waiter] : name.waiting) {
        waiter.disturbed = true;
      }
    }
  }
}

void Ledger::disturbed(ProcessId process) {
  for (auto& [key, name] : names_) {
    for (auto& [token, waiter] : name.waiting) {
      waiter.disturbed = waiter.disturbed || waiter.process == process;
    }
  }
}

bool Ledger::handed_out(const std::string& token, std::int64_t counter) const {
  const auto known = tokens_.find(token);
  return known != tokens_.end() && known->second.counters.contains(counter);
}

std::int64_t Ledger::counter(const std::string& key) const {
  const auto found = names_.find(key);
  return found == names_.end() ? 0 : found->second.counter;
}

std::size_t Ledger::waiting(const std::string& key) const {
  const auto found = names_.find(key);
  return found == names_.end() ? 0 : found->second.waiting.size();
}

}  // namespace dlock::sim
