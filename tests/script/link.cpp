// A plain connection to a server under test.
#include "script/link.hpp"

#include <hiredis/hiredis.h>

#include <stdexcept>

namespace dlock::test {

namespace {

Answer answer_of(const redisReply& reply) {
  Answer answer;
  switch (reply.type) {
    case REDIS_REPLY_NIL:
      break;
    case REDIS_REPLY_INTEGER:
      answer.kind = Answer::Kind::text;
      answer.text = std::to_string(reply.integer);
      break;
    case REDIS_REPLY_ARRAY:
      answer.kind = Answer::Kind::list;
      for (std::size_t i = 0; i < reply.elements; ++i) {
        answer.elements.push_back(answer_of(*reply.element[i]));
      }
      break;
    default:
      answer.kind = reply.type == REDIS_REPLY_ERROR ? Answer::Kind::error : Answer::Kind::text;
      answer.text.assign(reply.str, reply.len);
  }
  return answer;
}

}  // namespace

Link::Link(const RedisServer& server)
    : context_(redisConnectUnix(server.socket_path().c_str()), &redisFree) {
  if (!context_ || context_->err != 0) {
    throw std::runtime_error("cannot connect to the server under test");
  }
  redisSetTimeout(context_.get(), {10, 0});
}

Link::~Link() = default;

void Link::send(std::span<const std::string_view> fields) {
  std::vector<const char*> data;
  std::vector<std::size_t> sizes;
  for (const auto field : fields) {
    data.push_back(field.data());
    sizes.push_back(field.size());
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(fields.size()), data.data(),
                         sizes.data());
}

Answer Link::read() {
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK) {
    throw std::runtime_error(std::string{"no reply: "} + context_->errstr);
  }
  const std::unique_ptr<void, void (*)(void*)> reply{raw, &freeReplyObject};
  return answer_of(*static_cast<redisReply*>(raw));
}

void Subscriber::subscribe() {
  link_.ask({"SSUBSCRIBE", channel_});
  subscribed_ = true;
}

void Subscriber::unsubscribe() {
  link_.ask({"SUNSUBSCRIBE", channel_});
  subscribed_ = false;
}

std::vector<std::string> Subscriber::take_asked() {
  std::vector<std::string> messages;
  while (true) {
    const Answer answer = link_.read();
    if (answer.kind != Answer::Kind::list || answer.elements.at(0).text == "pong") {
      return messages;
    }
    messages.push_back(answer.elements.at(2).text);
  }
}

}  // namespace dlock::test
