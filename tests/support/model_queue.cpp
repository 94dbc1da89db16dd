// The queue of a modelled lock: a sorted set and its expiry.
#include "support/model_queue.hpp"

#include <iterator>

namespace dlock::test {

std::optional<std::int64_t> ModelQueue::score(const std::string& token) const {
  const auto found = scores_.find(token);
  return found == scores_.end() ? std::nullopt : std::optional{found->second};
}

std::size_t ModelQueue::place(const std::string& token) const {
  const auto found = order_.find({scores_.at(token), token});
  return static_cast<std::size_t>(std::distance(order_.begin(), found));
}

std::vector<ModelQueue::Entry> ModelQueue::entries() const {
  std::vector<Entry> result;
  for (const auto& [score, token] : order_) {
    result.push_back({token, score});
  }
  return result;
}

void ModelQueue::put(const std::string& token, std::int64_t score) {
  const auto expiry = expires_at;
  remove(token);
  expires_at = expiry;
  scores_[token] = score;
  order_.emplace(score, token);
}

std::string ModelQueue::first_but(std::string_view token) const {
  for (const auto& entry : order_) {
    if (entry.second != token) {
      return entry.second;
    }
  }
  return {};
}

bool ModelQueue::remove(const std::string& token) {
  const auto found = scores_.find(token);
  if (found == scores_.end()) {
    return false;
  }
  order_.erase({found->second, token});
  scores_.erase(found);
  if (order_.empty()) {
    expires_at.reset();
  }
  return true;
}

ModelQueue::Entry ModelQueue::pop() {
  Entry first{order_.begin()->second, order_.begin()->first};
  remove(first.token);
  return first;
}

}  // namespace dlock::test
