// The panel of one, and which there is.
#include "client/panel.hpp"

#include <optional>
#include <utility>

#include "client/client_state.hpp"
#include "client/inspector.hpp"
#include "client/quorum_panel.hpp"
#include "dlock/error.hpp"

namespace dlock::detail {
namespace {

/// Of one server, or of that node of a cluster which has the key.
class SinglePanel final : public Panel, private redis::Receiver {
 public:
  explicit SinglePanel(ClientState& client) : Panel(1), client_(client) {}

  using Panel::run;
  Votes run(const ScriptCall& call, const Decides& /*decide*/,
            std::chrono::milliseconds /*patience*/) override {
    try {
      if (!store_) {
        store_.emplace(client_);
        subscribed_ = false;
      }
      if (!channel_.empty() && !subscribed_) {
        store_->call({"SSUBSCRIBE", channel_});
        subscribed_ = true;
      }
      return {store_->run(call.script, call.sha, call.keys, call.arguments).text};
    } catch (const Unreachable&) {
      store_.reset();
      throw;
    }
  }
  bool is_connected() const override { return store_.has_value(); }
  void listen(std::string channel) override { channel_ = std::move(channel); }
  void watch(std::vector<pollfd>& ready) override {
    if (store_) ready.push_back({store_->connection_of(channel_).fd(), POLLIN, 0});
  }
  bool take_news() override {
    if (!store_) return false;
    has_news_ = false;
    if (store_->connection_of(channel_).receive(*this)) return has_news_;
    store_.reset();
    return true;
  }

 private:
  void on_reply(const redis::ReplyView& /*reply*/) override {}
  void on_message(std::string_view /*channel*/, std::string_view /*payload*/) override {
    has_news_ = true;
  }
  void on_unsubscribed(std::string_view /*channel*/) override { subscribed_ = false; }

  ClientState& client_;
  std::optional<Inspector> store_;
  std::string channel_;
  bool subscribed_ = false;
  bool has_news_ = false;
};

}  // namespace

std::unique_ptr<Panel> Panel::of(ClientState& client) {
  if (client.is_quorum()) return std::make_unique<QuorumPanel>(client);
  return std::make_unique<SinglePanel>(client);
}

}  // namespace dlock::detail
