// A plain connection to a server under test.
#include "script/link.hpp"

namespace dlock::test {

namespace {

Answer answer_of(const redis::resp3::Value& value) {
  Answer answer;
  if (value.type() == redis::resp3::Type::null) return answer;
  answer.kind = value.has_elements() ? Answer::Kind::list
                : value.is_error()   ? Answer::Kind::error
                                     : Answer::Kind::text;
  answer.text = value.text();
  for (const auto element : value) answer.elements.push_back(answer_of(element));
  return answer;
}

}  // namespace

Answer Link::read() { return answer_of(wire_.read()); }

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
