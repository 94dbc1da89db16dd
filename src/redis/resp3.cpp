// A reader of RESP3, the protocol in which a server replies. It parses in place.
#include "redis/resp3.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace dlock::redis::resp3 {
namespace {

constexpr std::string_view line_end = "\r\n";

constexpr auto is_digit = [](char byte) { return byte >= '0' && byte <= '9'; };

std::string_view name_of(Type type) {
  switch (type) {
    case Type::string:
      return "a string";
    case Type::status:
      return "a status";
    case Type::error:
    case Type::blob_error:
      return "an error";
    case Type::integer:
      return "an integer";
    case Type::null:
      return "a null";
    case Type::boolean:
      return "a boolean";
    case Type::real:
      return "a double";
    case Type::big_number:
      return "a big number";
    case Type::verbatim:
      return "a verbatim string";
    case Type::array:
      return "an array";
    case Type::map:
      return "a map";
    case Type::set:
      return "a set";
    case Type::push:
      return "a push message";
    case Type::attribute:
      return "an attribute";
  }
  return "a value";
}

std::string_view without_plus(std::string_view number) {
  if (number.size() > 1 && number[0] == '+' && number[1] != '-') number.remove_prefix(1);
  return number;
}

// Accepts only the canonical spelling, so that the text can stand for the number.
bool is_integer(std::string_view text) {
  constexpr std::size_t always_in_range = 18;  // digits
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return false;
  if (digits[0] == '0') return text == "0";
  std::int64_t value = 0;
  return digits.size() <= always_in_range ||
         std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
}

// A number beyond the range of a double is one too: nothing here computes with it.
bool is_real(std::string_view text) {
  double value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  return problem != std::errc::invalid_argument && stop == end && text.find('(') == text.npos;
}

bool is_big_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_valid(Type type, std::string_view text) {
  switch (type) {
    case Type::integer:
      return is_integer(text);
    case Type::null:
      return text.empty();
    case Type::boolean:
      return text == "t" || text == "f";
    case Type::real:
      return is_real(text);
    case Type::big_number:
      return is_big_number(text);
    default:
      return true;
  }
}

}  // namespace

std::string_view Value::text() const noexcept {
  if (has_elements()) return {};
  const std::string_view bytes{reply_ + node_->begin, node_->size};
  if (type() == Type::boolean) return bytes == "t" ? "1" : "0";
  return bytes;
}

Value Value::operator[](std::size_t index) const noexcept {
  return *std::next(begin(), static_cast<std::ptrdiff_t>(index));
}

char* Reader::room(std::size_t size) {
  forget();
  return input_.room(size);
}

void Reader::feed(std::string_view bytes) {
  std::copy(bytes.begin(), bytes.end(), room(bytes.size()));
  add(bytes.size());
}

std::optional<Value> Reader::next() {
  forget();
  while (problem_.empty() && read_value()) {
    whole_ = depth_ == 0 && !nodes_.empty();
    if (whole_) return Value{nodes_.data(), input_.bytes().data()};
  }
  return std::nullopt;
}

bool Reader::skip(std::string_view bytes) {
  forget();
  if (at_ > 0 || !input_.bytes().starts_with(bytes)) return false;
  input_.take(bytes.size());
  return true;
}

// The value that was given.
void Reader::forget() {
  if (!whole_) return;
  whole_ = false;
  input_.take(std::exchange(at_, 0));
  announced_ = 0;
  if (nodes_.capacity() <= 64 * usual_nodes) {
    nodes_.clear();
  } else {
    nodes_ = {};
    nodes_.reserve(usual_nodes);
  }
}

// False: more input is needed, or there is a problem.
bool Reader::read_value() {
  if (at_ > max_reply) return too_long("a reply", max_reply);
  const auto rest = input_.bytes().substr(at_);
  if (rest.empty()) return false;
  const auto type = static_cast<Type>(rest[0]);
  switch (type) {
    case Type::string:
    case Type::blob_error:
    case Type::verbatim:
      return read_bulk(type, rest);
    case Type::status:
    case Type::error:
    case Type::integer:
    case Type::null:
    case Type::boolean:
    case Type::real:
    case Type::big_number:
      return read_line(type, rest);
    case Type::array:
    case Type::map:
    case Type::set:
    case Type::push:
    case Type::attribute:
      return read_elements(type, rest);
  }
  return malformed("no reply begins with the byte " +
                   std::to_string(static_cast<unsigned char>(rest[0])));
}

bool Reader::read_line(Type type, std::string_view rest) {
  // One pass by hand: most lines are short.
  const auto most = std::min(rest.size(), max_line + 2);
  std::size_t stop = 1;
  bool has_newline = false;
  for (; stop < most && rest[stop] != '\r'; ++stop) has_newline = has_newline || rest[stop] == '\n';
  if (stop == most) {
    return rest.size() >= max_line + 2 && too_long(name_of(type), max_line);
  }
  if (stop + 1 == rest.size()) return false;
  if (rest[stop + 1] != '\n') return malformed("a line without its end");
  auto text = rest.substr(1, stop - 1);
  if (type == Type::integer || type == Type::real || type == Type::big_number) {
    text = without_plus(text);
  }
  if (has_newline || !is_valid(type, text)) {
    return malformed(std::string{name_of(type)} + " that cannot be read");
  }
  const auto begin = at_ + (stop - text.size());
  return add_value({begin, text.size(), 1, type}, at_ + stop + line_end.size());
}

bool Reader::read_bulk(Type type, std::string_view rest) {
  if (type == Type::string && rest.size() > 1 && rest[1] == '-') return read_null(rest);
  const auto count = read_count(type, rest);
  if (!count) return false;
  if (count->value > max_bulk) return too_long(name_of(type), max_bulk);
  const auto begin = 1 + count->digits + line_end.size();
  const auto end = begin + count->value;
  if (at_ + end > max_reply) return too_long("a reply", max_reply);
  if (rest.size() < end) return false;
  const auto after = rest.substr(end, line_end.size());
  if (!line_end.starts_with(after)) return malformed("a string without its end");
  if (after.size() < line_end.size()) return false;
  constexpr std::size_t format = 4;  // "txt:"
  if (type != Type::verbatim) {
    return add_value({at_ + begin, count->value, 1, type}, at_ + end + line_end.size());
  }
  if (count->value < format || rest[begin + format - 1] != ':') {
    return malformed("a verbatim string without a format");
  }
  return add_value({at_ + begin + format, count->value - format, 1, type},
                   at_ + end + line_end.size());
}

bool Reader::read_elements(Type type, std::string_view rest) {
  if (type == Type::array && rest.size() > 1 && rest[1] == '-') return read_null(rest);
  const auto count = read_count(type, rest);
  if (!count) return false;
  if (depth_ == max_depth) {
    return refuse("a reply", "nested deeper than " + std::to_string(max_depth) + " levels");
  }
  if (type == Type::push && depth_ > 0) return malformed("a push message inside a reply");
  if (!announce(type, count->value)) return false;
  const bool pairs = type == Type::map || type == Type::attribute;
  const auto elements = pairs ? 2 * count->value : count->value;
  const auto end = at_ + 1 + count->digits + line_end.size();
  if (elements > 0) {
    levels_[depth_++] = {static_cast<std::uint32_t>(nodes_.size()), elements};
    nodes_.push_back({0, elements, 1, type});
    at_ = end;
    return true;
  }
  if (type != Type::attribute) return add_value({0, 0, 1, type}, end);
  at_ = end;
  return true;
}

// The bound is for the whole reply, since arrays of arrays multiply.
bool Reader::announce(Type type, std::size_t count) {
  if (count <= max_elements) {
    const bool pairs = type == Type::map || type == Type::attribute;
    announced_ += pairs ? 2 * count : count;
    if (type == Type::attribute)
      ++announced_;  // otherwise an endless row of empty ones would be free
    if (announced_ <= max_elements) return true;
  }
  return refuse(name_of(type),
                "with which the reply has more than " + std::to_string(max_elements) + " elements");
}

// RESP2 writes a null as a length of -1.
bool Reader::read_null(std::string_view rest) {
  constexpr std::string_view null = "-1\r\n";
  rest = rest.substr(1, null.size());
  if (!null.starts_with(rest)) return malformed("a length that is not a number");
  return rest.size() == null.size() && add_value({0, 0, 1, Type::null}, at_ + 1 + null.size());
}

// A length or a number of elements; one without end is beyond every bound. None: as false of
// `read_value`.
std::optional<Reader::Count> Reader::read_count(Type type, std::string_view rest) {
  constexpr std::size_t max_digits = 18;
  Count count{0, 0};
  rest.remove_prefix(1);
  const auto more_digits = [&] {
    return count.digits < rest.size() && is_digit(rest[count.digits]);
  };
  const bool zero = rest.starts_with('0');
  while (more_digits() && !(zero && count.digits > 0)) {
    count.value = 10 * count.value + static_cast<std::size_t>(rest[count.digits] - '0');
    if (++count.digits > max_digits) return Count{std::string_view::npos, count.digits};
  }
  if (rest.empty()) return std::nullopt;
  if (rest[0] == '?') {
    refuse(name_of(type), "of unknown length (streamed), which dlock cannot read");
  } else if (count.digits == 0 || more_digits()) {
    malformed(std::string{name_of(type)} + " whose length is not a number");
  } else {
    const auto after = rest.substr(count.digits, line_end.size());
    if (after == line_end) return count;
    if (!line_end.starts_with(after)) malformed("a line without its end");
  }
  return std::nullopt;
}

// Always true. The last value of an array is the end of the array too.
bool Reader::add_value(const Node& node, std::size_t end) {
  nodes_.push_back(node);
  at_ = end;
  while (depth_ > 0 && --levels_[depth_ - 1].missing == 0) {
    const auto first = levels_[--depth_].node;
    if (nodes_[first].type == Type::attribute) {
      nodes_.resize(first);  // not a value: the value that it describes follows
      break;
    }
    nodes_[first].extent = static_cast<std::uint32_t>(nodes_.size() - first);
  }
  return true;
}

// These are always false, so that callers can return them.
bool Reader::too_long(std::string_view subject, std::size_t bound) {
  return refuse(subject, "longer than " + std::to_string(bound) + " bytes");
}

bool Reader::refuse(std::string_view subject, std::string_view what) {
  problem_ = "the server sent " + std::string{subject} + ' ' + std::string{what};
  return false;
}

bool Reader::malformed(std::string_view why) {
  problem_ = "the server there does not speak Redis's protocol (" + std::string{why} + ')';
  return false;
}

}  // namespace dlock::redis::resp3
