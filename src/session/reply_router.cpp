// Replies and messages: finds the shard of each, and the errors that concern the whole server.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/clock.hpp"
#include "session/topology.hpp"

namespace dlock::detail {
namespace {

using Kind = redis::Endpoint::Kind;

bool is_of_another_role(std::string_view error) {
  return error.starts_with("READONLY") || error.starts_with("MASTERDOWN");
}

bool is_of_another_node(std::string_view error) {
  return error.starts_with("MOVED ") || error.starts_with("CLUSTERDOWN");
}

bool is_of_a_moving_slot(std::string_view error) {
  return error.starts_with("ASK ") || error.starts_with("TRYAGAIN");
}

}  // namespace

/// Feeds the router with what a connection reads.
class Topology::ReplyRouter final : public redis::Receiver {
 public:
  ReplyRouter(Topology& topology, ServerLink& link)
      : topology_(topology), link_(link), at_(runtime::now()) {}

  void on_reply(const redis::ReplyView& view) override {
    if (!problem.empty()) {
      return;  // the connection ended
    }
    if (link_.owed.empty()) {
      problem = "an unexpected reply";
      return;
    }
    note_heard();
    const auto debt = link_.owed.front();
    if (debt.is_block && !link_.block.add(view)) {
      return;
    }
    link_.owed.pop_front();
    const bool is_error = view.kind == redis::ReplyView::Kind::error;
    if (debt.is_block) {
      auto block = std::exchange(link_.block, {});
      if (block.is_stuck()) {
        problem = "the server began a block of commands and refuses to end it";
      }
      std::string error;
      auto reply = block.result(view, error);
      deliver(debt, reply, error);
      return;
    }
    if (debt.is_login) {
      topology_.on_login_reply(link_, view);
      return;
    }
    if (debt.prepares_watch) {
      if (is_error && link_.watch_refusal.empty()) {
        link_.watch_refusal = redis::classify(view.text).what;
      }
      return;
    }
    if (debt.is_delete && is_error && !link_.connection->lacks_script(view.text, debt.is_plain)) {
      link_.connection->forget_delete_if_equal();
    }
    core::Reply reply;
    if (debt.is_watch && !link_.watch_refusal.empty()) {
      reply.refuses_watch = true;
      reply.what = link_.watch_refusal;
    }
    reply.text = view.text;
    reply.is_error = is_error;
    deliver(debt, reply, is_error ? view.text : std::string_view{});
  }
  std::string_view likely() const override {
    const bool is_block = problem.empty() && !link_.owed.empty() && link_.owed.front().is_block &&
                          link_.block.is_empty();
    return is_block ? BlockReplies::usual : std::string_view{};
  }
  void on_likely() override {
    note_heard();
    link_.block.add_usual();
  }
  void on_message(std::string_view channel, std::string_view payload) override {
    if (auto* const shard = listener(channel)) {
      topology_.router_.on_message(at_, shard->server, payload);
    }
  }
  void on_changed(std::optional<std::string_view> key) override {
    const auto* const of_key = key ? listener(*key) : nullptr;
    for (const auto* const shard : link_.shards) {
      if (shard->is_connected && (!key || shard == of_key)) {
        topology_.router_.on_changed(at_, shard->server, key);
      }
    }
  }
  void on_unsubscribed(std::string_view channel) override {
    if (!topology_.config_.is_cluster()) {
      problem = "the server ended the subscription";
    } else if (auto* const shard = listener(channel)) {
      topology_.leave(*shard, "the lock's slot moved to another node of the cluster");
    }
  }

  std::string problem;

 private:
  [[nodiscard]] bool takes_server_for_one() const {
    return !topology_.config_.is_cluster() && !topology_.config_.is_quorum() &&
           !topology_.router_.has_slots();
  }
  void note_heard() {
    link_.heard = at_;
    if (link_.is_silent) {
      topology_.count_as_silent(link_, false);
    }
  }
  /// `error`: the server's words, if it is one.
  void deliver(const Debt& debt, core::Reply& reply, std::string_view error) {
    auto* const shard = debt.shard;
    if (shard == nullptr) {
      return;
    }
    if (reply.is_error) {
      if (topology_.config_.endpoint.kind == Kind::sentinel && is_of_another_role(error)) {
        problem = "the server is no longer the primary";
        return;
      }
      if (takes_server_for_one() && redis::is_of_several_slots(error)) {
        link_.was_split = true;  // the next connection makes something of it
        problem = "the server has come to have slots, as a cluster";
        return;
      }
      auto meaning = redis::classify(error);
      if (topology_.config_.is_cluster() &&
          (is_of_another_node(error) || is_of_another_role(error))) {
        topology_.leave(*shard, meaning.what);
        return;
      }
      reply.unknown_script = link_.connection->lacks_script(error, debt.is_plain);
      reply.moving = is_of_a_moving_slot(error);
      reply.passing = error.starts_with("LOADING") || error.starts_with("BUSY ") || reply.moving ||
                      (topology_.router_.has_slots() && is_of_another_node(error));
      reply.code = meaning.code;
      reply.what = std::move(meaning.what);
    }
    topology_.router_.on_reply(at_, shard->server, reply);
  }
  /// The shard of a channel.
  Shard* listener(std::string_view channel) const {
    if (link_.shards.size() == 1 && !topology_.config_.is_cluster()) {
      return link_.shards.front();
    }
    const auto server = topology_.router_.find(channel);
    auto* const shard = server ? &topology_.shard_at(*server) : nullptr;
    return shard != nullptr && shard->link == &link_ && shard->is_connected ? shard : nullptr;
  }

  Topology& topology_;
  ServerLink& link_;
  core::Instant at_;
};

void Topology::take_input(ServerLink& link) {
  ReplyRouter replies{*this, link};
  const bool sound = link.connection->receive(replies);
  if (!sound || !replies.problem.empty()) {
    end_connection(link, sound ? replies.problem : link.connection->problem());
  }
}

}  // namespace dlock::detail
