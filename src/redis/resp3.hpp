// A reader of RESP3, the protocol in which a server replies. It parses in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/buffer.hpp"

namespace dlock::redis::resp3 {

/// The type of a value: the byte with which it begins. The nulls of RESP2 are nulls here.
enum class Type : char {
  string = '$',
  status = '+',
  error = '-',
  integer = ':',
  null = '_',
  boolean = '#',
  real = ',',
  big_number = '(',
  blob_error = '!',
  verbatim = '=',
  array = '*',
  map = '%',
  set = '~',
  push = '>',
  attribute = '|',  ///< skipped: no value has it
};

// Bounds for one reply, far beyond anything that dlock asks for.
inline constexpr std::size_t max_depth = 16;  ///< levels of arrays, maps, sets and pushes
inline constexpr std::size_t max_elements = std::size_t{1}
                                            << 22;               ///< in all of its levels together
inline constexpr std::size_t max_line = 64 * 1024;               ///< bytes of a status or an error
inline constexpr std::size_t max_bulk = std::size_t{512} << 20;  ///< bytes of a string
inline constexpr std::size_t max_reply = std::size_t{1} << 30;   ///< bytes of all of it

/// A value with its elements behind it, in the order in which they came.
struct Node {
  std::size_t begin;     ///< of its bytes, from the beginning of the reply
  std::size_t size;      ///< bytes, or elements; a map's keys and values count one each
  std::uint32_t extent;  ///< nodes, with itself
  Type type;
};

/// A view of a value in a reader's input. Cheap to copy.
class Value {
 public:
  Value(const Node* node, const char* reply) noexcept : node_(node), reply_(reply) {}

  [[nodiscard]] Type type() const noexcept { return node_->type; }
  [[nodiscard]] bool is_error() const noexcept {
    return type() == Type::error || type() == Type::blob_error;
  }
  [[nodiscard]] bool has_elements() const noexcept {
    return type() == Type::array || type() == Type::map || type() == Type::set ||
           type() == Type::push;
  }
  /// The bytes of a string, status, error or number; booleans are "1" and "0". Empty for all else.
  [[nodiscard]] std::string_view text() const noexcept;

  /// The number of elements; a map's keys and values count one each.
  [[nodiscard]] std::size_t size() const noexcept { return has_elements() ? node_->size : 0; }
  [[nodiscard]] Value operator[](std::size_t index) const noexcept;

  class Iterator;
  [[nodiscard]] Iterator begin() const noexcept;
  [[nodiscard]] Iterator end() const noexcept;

 private:
  const Node* node_;
  const char* reply_;
};

class Value::Iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = Value;

  Iterator() = default;
  Iterator(const Node* node, const char* reply) noexcept : node_(node), reply_(reply) {}
  Value operator*() const noexcept { return {node_, reply_}; }
  Iterator& operator++() noexcept {
    node_ += node_->extent;
    return *this;
  }
  Iterator operator++(int) noexcept {
    const auto before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Iterator& other) const noexcept { return node_ == other.node_; }

 private:
  const Node* node_ = nullptr;
  const char* reply_ = nullptr;
};

inline Value::Iterator Value::begin() const noexcept { return {node_ + 1, reply_}; }
inline Value::Iterator Value::end() const noexcept { return {node_ + node_->extent, reply_}; }

/// Takes bytes, cut anywhere, and gives whole values. It allocates for bytes that arrived, never
/// for announced ones, and after the first values nothing for a value of a few elements. Not
/// thread-safe.
class Reader {
 public:
  Reader() { nodes_.reserve(usual_nodes); }

  /// Where the next `size` bytes of input go; `add` says how many there are. Invalidates the value
  /// that `next` returned.
  char* room(std::size_t size);
  void add(std::size_t size) noexcept { input_.add(size); }
  /// The same for bytes that lie elsewhere.
  void feed(std::string_view bytes);

  /// The next whole value, valid until the next call of `next`, `room` or `feed`. None: it needs
  /// more input, or see `problem`.
  [[nodiscard]] std::optional<Value> next();

  /// Drops whole values that are spelled just like `bytes`, if they come next, and returns whether
  /// they did. Invalidates the value that `next` returned.
  bool skip(std::string_view bytes);

  /// Says in a sentence how the input broke the protocol or a bound, after which there are no more
  /// values. Empty: all is well.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  static constexpr std::size_t usual_nodes = 16;

  /// An array or the like that is not complete.
  struct Level {
    std::uint32_t node;
    std::size_t missing;
  };

  void forget();
  bool read_value();
  bool read_line(Type type, std::string_view rest);
  bool read_bulk(Type type, std::string_view rest);
  bool read_elements(Type type, std::string_view rest);
  bool read_null(std::string_view rest);
  struct Count {
    std::size_t value;
    std::size_t digits;
  };
  std::optional<Count> read_count(Type type, std::string_view rest);
  bool add_value(const Node& node, std::size_t end);
  bool announce(Type type, std::size_t elements);
  bool too_long(std::string_view subject, std::size_t bound);
  bool refuse(std::string_view subject, std::string_view what);
  bool malformed(std::string_view why);

  Buffer input_;
  std::vector<Node> nodes_;  // of the value that is being read, or was given
  std::array<Level, max_depth> levels_{};
  std::size_t depth_ = 0;
  std::size_t at_ = 0;         // where the next value begins, from the beginning of the reply
  std::size_t announced_ = 0;  // elements
  bool whole_ = false;         // the value was given
  std::string problem_;
};

}  // namespace dlock::redis::resp3
