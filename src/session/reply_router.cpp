// Replies and messages: finds the shard of each, and the errors that concern the whole server.
#include <algorithm>
#include <string>
#include <string_view>

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
    link_.heard = at_;
    if (link_.is_silent) {
      topology_.count_as_silent(link_, false);
    }
    auto* const shard = link_.owed.front();
    link_.owed.pop_front();
    if (shard == nullptr) {
      return;
    }
    core::Reply reply;
    reply.text = view.text;
    if (view.kind == redis::ReplyView::Kind::error) {
      if (topology_.config_.endpoint.kind == Kind::sentinel && is_of_another_role(view.text)) {
        problem = "the server is no longer the primary";
        return;
      }
      auto error = redis::classify(view.text);
      if (topology_.config_.is_cluster() &&
          (is_of_another_node(view.text) || is_of_another_role(view.text))) {
        topology_.leave(*shard, error.what);
        return;
      }
      reply.is_error = true;
      reply.unknown_script = view.text.starts_with("NOSCRIPT");
      reply.moving = is_of_a_moving_slot(view.text);
      reply.passing =
          view.text.starts_with("LOADING") || view.text.starts_with("BUSY ") || reply.moving;
      reply.code = error.code;
      reply.what = std::move(error.what);
    }
    topology_.router_.on_reply(at_, shard->server, reply);
  }
  void on_message(std::string_view channel, std::string_view payload) override {
    if (auto* const shard = listener(channel)) {
      topology_.router_.on_message(at_, shard->server, payload);
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
  /// The shard of a channel.
  Shard* listener(std::string_view channel) const {
    if (!topology_.config_.is_cluster()) {
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
