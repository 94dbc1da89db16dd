// Panel: the servers that have a key, asked as one: a single one, or each of a quorum's.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::detail {

class ClientState;

/// A script of ours, and what it is run with.
struct ScriptCall {
  std::string_view script;
  std::string_view sha;
  std::span<const std::string> keys;
  std::span<const std::string_view> arguments;
};

/// Over connections beside the client's shared ones, which come back by themselves. Not
/// thread-safe.
class Panel {
 public:
  /// What the servers replied, in no order.
  using Votes = std::vector<std::string>;
  /// Whether what `votes` say stands, whatever `open` others may say.
  using Decides = std::function<bool(const Votes& votes, std::size_t open)>;

  /// Of the servers that have the client's locks; connects when first needed.
  [[nodiscard]] static std::unique_ptr<Panel> of(ClientState& client);
  virtual ~Panel() = default;
  Panel(const Panel&) = delete;
  Panel& operator=(const Panel&) = delete;

  /// Runs a script on all, whose replies are texts. Returns when they decide, or when nobody else
  /// can be expected to reply; when a majority has replied, after `patience` at the latest. Throws
  /// `Unreachable`, `Refused` or `StoreUnusable` when no majority does.
  [[nodiscard]] virtual Votes run(const ScriptCall& call, const Decides& decide,
                                  std::chrono::milliseconds patience) = 0;
  [[nodiscard]] Votes run(const ScriptCall& call, const Decides& decide) {
    return run(call, decide, std::chrono::milliseconds::max());
  }
  /// Whether there are connections to a majority.
  [[nodiscard]] virtual bool is_connected() const = 0;
  /// Subscribes to `channel` everywhere, before anything that is run later.
  virtual void listen(std::string channel) = 0;
  /// Adds what becomes readable when there may be news.
  virtual void watch(std::vector<pollfd>& ready) = 0;
  /// Reads what came. True: a message, or something may have been missed.
  [[nodiscard]] virtual bool take_news() = 0;

  /// How many there are.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// How many votes are a majority.
  [[nodiscard]] std::size_t majority() const noexcept { return size_ / 2 + 1; }

 protected:
  explicit Panel(std::size_t size) : size_(size) {}

 private:
  const std::size_t size_;
};

}  // namespace dlock::detail
