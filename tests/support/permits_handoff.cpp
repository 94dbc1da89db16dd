// The part of the reference model that holds permits: who is let in from the queue.
#include <cstdlib>

#include "support/permits_model.hpp"
#include "support/permits_terms.hpp"

namespace dlock::test {

using namespace std::chrono_literals;
using std::to_string;

std::optional<PermitsModel::Outcome> PermitsModel::grant(Visit& visit,
                                                         const ModelQueue::Entry& head) {
  auto& lock = visit.lock;
  const auto terms = *terms_of(head.token);
  const bool alive = visit.is_alive(head);
  const bool old = visit.now.count() - std::abs(head.score) > waiter_refresh.count();
  std::optional<std::int64_t> noted;
  if (old) {
    noted = lock.seen.take(head.token);
  }
  lock.leave(head.token);
  if (!alive) {
    return std::nullopt;
  }
  const auto counter = enter(visit, head.token, terms.weight, terms.claim);
  const int receivers = store_.publish_(
      channel_of(head.token), StoreModel::grant_of(head.token, counter, visit.now, visit.seal));
  if (receivers > 0) {
    return std::nullopt;
  }
  visit.leave(head.token);
  if (receivers == 0) {
    return std::nullopt;
  }
  lock.queue.put(head.token, head.score);
  lock.queue.expires_at = std::chrono::floor<Millis>(visit.now) + queue_life;
  if (noted) {
    lock.seen.note(visit.now, head.token, *noted, queue_life);
  }
  return Outcome::mute;
}

// Decides about the head of the queue. No outcome: look at the next.
std::optional<PermitsModel::Outcome> PermitsModel::at_head(Visit& visit, const std::string& me,
                                                           bool stays) {
  auto& queue = visit.lock.queue;
  const auto entries = queue.entries();
  const auto& head = entries.front();
  const auto terms = terms_of(head.token);
  if (!terms || terms->weight < 1 || terms->claim < 1ms) {
    visit.lock.leave(head.token);
  } else if (terms->weight > *visit.capacity) {
    visit.lock.leave(head.token);
    tell(head.token, 0);
  } else if (visit.fits(terms->weight)) {
    if (head.token != me) {
      return grant(visit, head);
    }
    visit.lock.leave(head.token);
    return Outcome::yours;
  } else {
    const bool next = stays && (entries.size() == 1 || entries[1].token == me);
    if (head.token == me || (!me.empty() && !next)) {
      return Outcome::waits;
    }
    const int told = tell(head.token, visit.left_ms());
    if (told < 0 || (told > 0 && visit.is_alive(head))) {
      return Outcome::waits;
    }
    visit.lock.leave(head.token);
  }
  return std::nullopt;
}

PermitsModel::Outcome PermitsModel::hand_off(Visit& visit, const std::string& me, bool stays) {
  auto& queue = visit.lock.queue;
  for (int i = 0; i < max_at_once; ++i) {
    if (queue.empty()) {
      return Outcome::empty;
    }
    if (const auto outcome = at_head(visit, me, stays)) {
      return *outcome;
    }
  }
  if (!queue.empty()) {
    tell(queue.entries().front().token, 0);
  }
  return Outcome::more;
}

PermitsModel::Outcome PermitsModel::pass_on(Visit& visit) {
  if (visit.capacity) {
    return hand_off(visit, {}, false);
  }
  if (!visit.lock.queue.empty()) {
    tell(visit.lock.queue.entries().front().token, 0);
  }
  return Outcome::waits;
}

}  // namespace dlock::test
