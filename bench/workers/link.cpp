// A bare blocking hiredis connection, for the floors.
#include "workers/link.hpp"

#include <hiredis/hiredis.h>

#include <stdexcept>

namespace dlock::bench {

Link::Link(const Server& server) : context_(redisConnect("127.0.0.1", server.port), &redisFree) {
  if (!context_ || context_->err != 0) throw std::runtime_error("cannot connect to the server");
  redisSetPushCallback(context_.get(), nullptr);  // pushes come in order, like replies
}

Link::~Link() = default;

void Link::append(std::initializer_list<std::string_view> fields) {
  static constexpr std::size_t most = 16;
  const char* data[most];
  std::size_t sizes[most];
  std::size_t count = 0;
  for (const auto field : fields) {
    data[count] = field.data();
    sizes[count++] = field.size();
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(count), data, sizes);
}

Link::Reply Link::read() {
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK) {
    throw std::runtime_error(std::string{"no reply: "} + context_->errstr);
  }
  Reply reply{static_cast<redisReply*>(raw), [](redisReply* r) { freeReplyObject(r); }};
  if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error(reply->str);
  return reply;
}

std::string load(Link& link, std::string_view script) {
  const auto reply = link.call({"SCRIPT", "LOAD", script});
  return {reply->str, reply->len};
}

}  // namespace dlock::bench
