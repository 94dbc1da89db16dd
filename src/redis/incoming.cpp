// The input from a server, sorted into replies to commands and pushes.
#include "redis/incoming.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace dlock::redis {
namespace {

using resp3::Type;
using resp3::Value;

ReplyView view_of(const Value& value) {
  if (value.type() == Type::null) return {ReplyView::Kind::nil};
  if (value.has_elements()) return {ReplyView::Kind::other};
  return {value.is_error() ? ReplyView::Kind::error : ReplyView::Kind::text, value.text()};
}

bool is_push(const Value& value, std::string_view kind) {
  return value.type() == Type::push && value.size() == 3 && value[0].text() == kind;
}

bool is_confirmation(const Value& value) { return is_push(value, "ssubscribe"); }

void deliver_reply(const Value& value, Receiver& receiver) {
  auto view = view_of(value);
  if (!value.has_elements() || value.size() > ReplyView::max_elements) {
    receiver.on_reply(view);
    return;
  }
  std::array<ReplyView, ReplyView::max_elements> elements;
  std::ranges::transform(value, elements.begin(), view_of);
  view.elements = std::span{elements}.first(value.size());
  receiver.on_reply(view);
}

}  // namespace

// The reader bounds the depth.
Reply tree_of(const Value& value) {
  const auto view = view_of(value);
  Reply reply{view.kind, std::string{view.text}, {}};
  if (!value.has_elements()) return reply;
  reply.elements.reserve(value.size());
  for (const auto element : value) reply.elements.push_back(tree_of(element));
  return reply;
}

bool is_reply(const Value& value) { return value.type() != Type::push || is_confirmation(value); }

void deliver(const Value& value, Receiver& receiver) {
  if (value.type() != Type::push) {
    deliver_reply(value, receiver);
  } else if (is_confirmation(value)) {
    receiver.on_reply({ReplyView::Kind::text, value[1].text()});
  } else if (is_push(value, "smessage") || is_push(value, "message")) {
    receiver.on_message(value[1].text(), value[2].text());
  } else if (is_push(value, "sunsubscribe")) {
    receiver.on_unsubscribed(value[1].text());
  } else if (value.size() == 2 && value[0].text() == "invalidate") {
    if (!value[1].has_elements()) receiver.on_changed(std::nullopt);
    for (const auto key : value[1]) receiver.on_changed(key.text());
  }
}

}  // namespace dlock::redis
