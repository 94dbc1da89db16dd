// Makes one reply of those to an acquire without a script.
#include "session/block_replies.hpp"

#include <span>
#include <string_view>
#include <utility>

#include "core/wire/token.hpp"

namespace dlock::detail {
namespace {

using Kind = redis::ReplyView::Kind;

constexpr std::size_t replies_of_a_block = 6;

// Redis names the cause behind this when it finds it at the end.
constexpr std::string_view discarded = "EXECABORT Transaction discarded because of: ";

// Of a command; a key that the user may not access is an error of that lock alone.
bool is_refusal(std::string_view error) {
  const auto says = [&](std::string_view words) { return error.find(words) != error.npos; };
  return (error.starts_with("NOPERM") && says("to run the '")) || says("unknown command");
}

// SET NX, GETRANGE, INCR, EXISTS.
core::BlockReply read(std::span<const redis::ReplyView> results) {
  core::BlockReply block;
  block.was_free = results[0].kind == Kind::text;
  if (results[1].kind == Kind::text) {
    block.value = results[1].text;
  }
  block.is_other_type = results[1].kind == Kind::error;
  if (results[2].kind != Kind::text || !core::parse_exact(results[2].text, block.counter)) {
    block.counter = 0;
  }
  block.has_queue = results[3].text != "0";
  return block;
}

}  // namespace

void BlockReplies::note_error(std::string_view text) {
  const auto cause = text.starts_with(discarded) ? text.substr(discarded.size()) : text;
  is_refused_ = is_refused_ || is_refusal(cause);
  if (error_.empty()) {
    error_ = cause;
  }
}

bool BlockReplies::add(const redis::ReplyView& reply) {
  has_begun_ = has_begun_ || (count_ == 0 && reply.text == "OK");
  const bool is_last = ++count_ == replies_of_a_block;
  if (reply.kind == Kind::error) {
    is_stuck_ = is_last && has_begun_ && is_refusal(reply.text);
    note_error(reply.text);
  }
  return is_last;
}

core::Reply BlockReplies::result(const redis::ReplyView& last, std::string& error) {
  core::Reply reply;
  reply.refuses_blocks = is_refused_;
  if (has_begun_ && last.kind == Kind::error) {
    reply.is_error = !is_stuck_;
    error = std::move(error_);
  } else if (has_begun_ && last.elements.size() == redis::ReplyView::max_elements) {
    reply.block = read(last.elements);
  }
  return reply;
}

}  // namespace dlock::detail
