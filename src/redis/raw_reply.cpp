// Raw replies: what hiredis parsed, sorted into replies to our commands and pushes.
#include "redis/raw_reply.hpp"

#include <string>

namespace dlock::redis {
namespace {

// `number` gives the text of an integer a place to live.
ReplyView view_of(const redisReply& reply, std::string& number) {
  switch (reply.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_VERB:
    case REDIS_REPLY_DOUBLE:
    case REDIS_REPLY_BIGNUM:
      return {ReplyView::Kind::text, text_of(reply)};
    case REDIS_REPLY_INTEGER:
    case REDIS_REPLY_BOOL:
      number = std::to_string(reply.integer);
      return {ReplyView::Kind::text, number};
    case REDIS_REPLY_ERROR:
      return {ReplyView::Kind::error, text_of(reply)};
    case REDIS_REPLY_NIL:
      return {ReplyView::Kind::nil, {}};
    default:
      return {ReplyView::Kind::other, {}};
  }
}

bool is_push(const redisReply& reply, std::string_view kind) {
  return reply.elements == 3 && text_of(*reply.element[0]) == kind;
}

bool is_confirmation(const redisReply& push) { return is_push(push, "ssubscribe"); }

constexpr int most_levels = 16;  ///< a reply that we ask for has four
decltype(redisReplyObjectFunctions::createArray) make_array = nullptr;

// No array ends the connection.
void* make_shallow_array(const redisReadTask* task, std::size_t elements) {
  int level = 0;
  for (const auto* outer = task->parent; outer != nullptr; outer = outer->parent) {
    if (++level >= most_levels) return nullptr;
  }
  return make_array(task, elements);
}

}  // namespace

void limit_depth(redisReader& reader) {
  static auto functions = [&reader] {
    make_array = reader.fn->createArray;
    auto made = *reader.fn;
    made.createArray = make_shallow_array;
    return made;
  }();
  reader.fn = &functions;
}

std::string_view text_of(const redisReply& reply) {
  return reply.str == nullptr ? std::string_view{} : std::string_view{reply.str, reply.len};
}

// The depth has a limit, see limit_depth.
Reply tree_of(const redisReply& raw) {
  std::string number;
  const auto view = view_of(raw, number);
  Reply reply{view.kind, std::string{view.text}, {}};
  reply.elements.reserve(raw.elements);
  for (std::size_t i = 0; i < raw.elements; ++i) reply.elements.push_back(tree_of(*raw.element[i]));
  return reply;
}

bool is_reply(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_PUSH) return is_confirmation(reply);
  return reply.type != REDIS_REPLY_ATTR;
}

void deliver(const redisReply& reply, Receiver& receiver) {
  if (is_reply(reply)) {
    std::string number;
    receiver.on_reply(reply.type == REDIS_REPLY_PUSH
                          ? ReplyView{ReplyView::Kind::text, text_of(*reply.element[1])}
                          : view_of(reply, number));
  } else if (is_push(reply, "smessage") || is_push(reply, "message")) {
    receiver.on_message(text_of(*reply.element[1]), text_of(*reply.element[2]));
  } else if (is_push(reply, "sunsubscribe")) {
    receiver.on_unsubscribed(text_of(*reply.element[1]));
  }
}

}  // namespace dlock::redis
