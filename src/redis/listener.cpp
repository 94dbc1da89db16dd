// Listener: the order of subscriptions and replies, and the messages of RESP2.
#include "redis/listener.hpp"

#include <array>
#include <cstring>
#include <utility>

namespace dlock::redis {
namespace {

constexpr std::chrono::seconds ping_interval{4};

bool is_of_kind(const resp3::Value& value, std::string_view kind) {
  return value.size() == 3 && value[0].text() == kind;
}

bool is_message(const resp3::Value& value) {
  return is_of_kind(value, "smessage") || is_of_kind(value, "sunsubscribe");
}

}  // namespace

void Listener::subscribe(std::span<const std::string_view> fields) {
  encode(stream_.output(), fields);
  asked_.push_back(true);
  subscriptions_.push_back({std::exchange(replies_after_, 0)});
  ++unanswered_;
}

Buffer& Listener::room_for(std::size_t replies, Buffer& output) {
  ask_whether_it_is_there();
  replies_after_ += replies;
  return unanswered_ > 0 ? held_ : output;
}

bool Listener::release(Buffer& output) {
  if (unanswered_ > 0 || held_.empty()) return false;
  const auto bytes = held_.bytes();
  std::memcpy(output.room(bytes.size()), bytes.data(), bytes.size());
  output.add(bytes.size());
  held_.take(bytes.size());
  return true;
}

// An idle client reads nothing, so the answer may lie there unread.
void Listener::ask_whether_it_is_there() {
  const auto now = std::chrono::steady_clock::now();
  if (now - pinged_at_ < ping_interval) return;
  if (!is_heard_ && !stream_.has_input()) {
    stream_.fail("the connection that subscribes has no answer");
    return;
  }
  pinged_at_ = now;
  is_heard_ = false;
  encode(stream_.output(), std::array<std::string_view, 1>{"PING"});
  asked_.push_back(false);
}

void Listener::deliver_messages(Receiver& receiver) {
  while (const auto value = stream_.next()) {
    is_heard_ = true;
    if (is_of_kind(*value, "smessage")) {
      receiver.on_message((*value)[1].text(), (*value)[2].text());
    } else if (is_of_kind(*value, "sunsubscribe")) {
      receiver.on_unsubscribed((*value)[1].text());
    } else if (asked_.empty()) {
      stream_.fail("an unexpected reply on the connection that subscribes");
      return;
    } else {
      const bool answers_subscription = asked_.front();
      asked_.pop_front();
      if (!answers_subscription) continue;
      auto& subscription = subscriptions_[subscriptions_.size() - unanswered_];
      --unanswered_;
      subscription.is_answered = true;
      subscription.is_refused = value->is_error();
      subscription.answer = value->size() > 1 ? (*value)[1].text() : value->text();
    }
  }
}

void Listener::on_reply_of_other() {
  auto& count = subscriptions_.empty() ? replies_after_ : subscriptions_.front().replies_before;
  if (count > 0) --count;
}

bool Listener::deliver_answer(Receiver& receiver) {
  if (is_turn_of_other() || !subscriptions_.front().is_answered) return false;
  const auto subscription = std::move(subscriptions_.front());
  subscriptions_.pop_front();
  receiver.on_reply({subscription.is_refused ? ReplyView::Kind::error : ReplyView::Kind::text,
                     subscription.answer});
  return true;
}

std::optional<resp3::Value> Listener::call(std::span<const std::string_view> fields,
                                           Deadline deadline) {
  encode(stream_.output(), fields);
  return stream_.await([](const resp3::Value& value) { return !is_message(value); }, deadline);
}

}  // namespace dlock::redis
