// The state machine of an acquisition.
#include "core/engine/attempt.hpp"

#include <algorithm>

namespace dlock::core {
namespace {

using std::chrono::milliseconds;

// Spreads the requests of waiters that learned the same end of a lease.
constexpr Duration stagger = milliseconds{10};

std::int64_t in_ms(Duration span) { return std::chrono::ceil<milliseconds>(span).count(); }

}  // namespace

Attempt::Attempt(Request request, Drift drift) : request_(std::move(request)), drift_(drift) {
  ticket_ = request_.ticket;
  if (request_.gate) {
    ticket_ = request_.gate->ticket;
    was_sent_ = !ticket_.empty();
  }
}

void Attempt::note_sent() {
  asking_ = was_sent_ = true;
  was_called_ = false;
  asked_ttl_ = request_.ttl;
  timer_.reset();
  patient_timer_.reset();
}

Command Attempt::bare_command(const LockId& lock) {
  note_sent();
  Command command;
  command.verb = Verb::acquire;
  command.bare = true;
  auto& words = command.lock.emplace();
  words.lock = lock.key;
  words.token = request_.token;
  words.span_ms = in_ms(request_.ttl);
  return command;
}

// The script repairs what is odd, hands a lock on that others wait for, and queues. The server must
// not be asked again without it: a repeat could find the lock that the token had given back.
Attempt::Step Attempt::on_block(const BlockReply& block, Instant sent, bool is_fresh) {
  asking_ = false;
  if (!block.was_free && !request_.wait && !block.is_other_type) {
    return Busy{};
  }
  const bool is_had = block.was_free && block.value == request_.token && !block.has_queue;
  if (!is_had || !is_fresh || asked_ttl_ != request_.ttl) {
    return Ask{};
  }
  return Acquired{
      block.counter, core::valid_until(sent, asked_ttl_, drift_), asked_ttl_, false, true, {}};
}

Command Attempt::command(const LockId& lock, const Token& old, std::int64_t recent) {
  note_sent();
  Command command;
  command.verb = Verb::acquire;
  command.kind = lock.kind;
  if (const auto& gate = request_.gate) {
    command.keys = keys_of_script(lock);
    command.args = {request_.token.text(), std::to_string(in_ms(request_.ttl)),
                    gate->call.empty() ? std::string{mode()} : gate->call, ticket_, old.text()};
    command.args.insert(command.args.end(), gate->arguments.begin(), gate->arguments.end());
    return command;
  }
  auto& words = command.lock.emplace();
  words.lock = lock.key;
  words.token = request_.token;
  words.span_ms = in_ms(request_.ttl);
  words.mode = mode();
  words.ticket = ticket_;
  words.old = old.empty() ? request_.replaces : old;
  words.number = lock.kind == Kind::permits ? request_.permits.capacity : recent;
  if (request_.wait) {
    words.seal = own_seal_;
  }
  return command;
}

std::string_view Attempt::mode() const {
  const bool first = request_.permits.first;
  if (request_.wait) {
    return first ? "wait_first" : "wait";
  }
  if (request_.keep) {
    return "keep";
  }
  return first ? "try_first" : "try";
}

Attempt::Step Attempt::on_reply(std::string_view text, Instant sent, std::string_view& given_up) {
  asking_ = false;
  Words words{text};
  if (words.next() != echo_of(request_.token)) {
    return Garbled{};
  }
  const auto outcome = words.next();
  if (outcome == "acquired") {
    Acquired acquired{0, core::valid_until(sent, asked_ttl_, drift_), asked_ttl_, false, false, {}};
    if (!parse_exact(words.next(), acquired.counter)) {
      return Garbled{};
    }
    given_up = words.next();
    // The request carried the ttl of a waiter that left; the one that gets the lease wants another.
    return asked_ttl_ == request_.ttl ? Step{acquired} : Step{Ask{}};
  }
  if (outcome == "busy") {
    words.next();
    given_up = words.next();
    return Busy{};
  }
  if (outcome == "other") {
    Other other;
    return parse_exact(words.next(), other.capacity) ? Step{other} : Step{Garbled{}};
  }
  if (outcome == "broken" && request_.gate) {
    return Broken{};
  }
  return outcome == "queued" ? on_queued(words, sent, given_up) : Step{Garbled{}};
}

Attempt::Step Attempt::on_queued(Words words, Instant sent, std::string_view& given_up) {
  std::int64_t left_ms = 0;
  std::int64_t place = 0;
  ServerTime server;
  if (!parse_number(words.next(), left_ms) || !parse_exact(words.next(), place)) {
    return Garbled{};
  }
  ticket_ = words.next();
  if (!parse_exact(words.next(), server.us)) {
    return Garbled{};
  }
  const auto whose = words.next();
  const bool foreign = whose == "foreign";
  seal_ = whose.starts_with("ours:") ? whose.substr(5) : std::string_view{};
  given_up = words.next();
  pair_ = ClockPair{sent, server};

  place_ = place + 1;
  // The times in a reply count from the moment its request left, not from its receipt.
  place = std::min<std::int64_t>(place, 100);
  Duration again = refresh_time;
  if (left_ms >= 0 && left_ms < std::chrono::duration_cast<milliseconds>(again).count()) {
    again = milliseconds{left_ms + 1} + stagger * place;
  }
  patient_timer_ = timer_ = sent + std::min(again, refresh_time);
  if (foreign && place == 0) {
    timer_ = std::min(*timer_, sent + poll_time);
  }
  // With RESP2, messages and replies come on two connections, in any order.
  return was_called_ ? Step{Ask{}} : Step{Nothing{}};
}

Attempt::Step Attempt::on_grant(std::int64_t counter, ServerTime granted, Instant now,
                                bool proven) {
  // Without the seal, which the reply brings, nothing can be proven.
  was_called_ = was_called_ || (asking_ && (proven || seal_.empty()));
  if (request_.claim || !proven) {
    return asking_ ? Step{Nothing{}} : Step{Ask{}};
  }
  const auto claim = claim_of(request_.token).value_or(Duration::zero());
  // An outstanding request sets the ttl that it carries, even if the claim is longer.
  const bool may_shorten = asking_ && asked_ttl_ < std::max(claim, request_.ttl);
  const auto start = pair_ ? earliest(*pair_, granted, now, drift_) : std::nullopt;
  if (start && !may_shorten) {
    const Instant until = core::valid_until(*start, claim, drift_);
    if (until - now >= claim * 2 / 3) {
      return Acquired{counter, until, claim, true, false, pair_->sent + (granted - pair_->server)};
    }
  }
  // The age of the grant is unknown or great: ask before believing it. An outstanding request is
  // enough.
  return asking_ ? Step{Nothing{}} : Step{Ask{}};
}

void Attempt::on_next(Duration in, Instant now) {
  was_called_ = was_called_ || asking_;
  if (!asking_ && timer_) {
    timer_ = std::min(*timer_, now + in);
  }
}

Attempt::Step Attempt::on_timer(Instant now) {
  if (asking_ || !timer_ || now < *timer_) {
    return Nothing{};
  }
  return Ask{};
}

void Attempt::on_disconnected() {
  asking_ = false;
  pair_.reset();
  timer_.reset();
  patient_timer_.reset();
}

void Attempt::ask_again(Instant when) {
  asking_ = false;
  timer_ = when;
}

void Attempt::change(Duration ttl, bool claim) {
  request_.ttl = ttl;
  request_.claim = claim;
}

}  // namespace dlock::core
