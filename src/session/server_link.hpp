// Shards and server links: the connection to each server of the router. Several of its servers, the
// slots of a cluster, may share one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/router/router.hpp"
#include "core/wire/pool.hpp"
#include "redis/connection.hpp"
#include "session/block_replies.hpp"
#include "session/login_task.hpp"
#include "store/connector.hpp"

namespace dlock::detail {

inline constexpr auto never = core::Instant::max();  ///< of a timer

struct ServerLink;
struct Shard;

/// A command whose reply is outstanding.
struct Debt {
  Shard* shard = nullptr;       ///< none: no shard wants the reply
  bool is_block = false;        ///< it has several replies: `BlockReplies`
  bool is_delete = false;       ///< it deletes a key if it has a value
  bool is_watch = false;        ///< it reads keys whose next changes the server is to tell
  bool prepares_watch = false;  ///< ... and this one asked for that
  bool is_login = false;        ///< it logs in again
  bool is_plain = false;        ///< its script has no first line
};

/// The way to a server of the router. The link of a slot changes from node to node.
struct Shard {
  explicit Shard(core::ServerId its_server) : server(its_server) {}

  const core::ServerId server;
  ServerLink* link = nullptr;  ///< none: the node of its slot is unknown
  bool is_connected = false;   ///< the router knows the connection of `link`
  bool wants_link = false;     ///< the router asked for a connection
};

/// A server, and the one connection to it.
struct ServerLink {
  explicit ServerLink(redis::Endpoint where) : endpoint(std::move(where)) {}

  const redis::Endpoint endpoint;
  std::unique_ptr<redis::Connection> connection;
  /// Of the last connection, so that the next one can kill it; 0: the server did not say.
  std::optional<std::int64_t> connection_id;
  std::uint64_t number = 0;  ///< counts the connections, so that a new one is noticed
  Connector connector;
  std::string former_fence;           ///< see `Dialled`
  bool was_split = false;             ///< the server refused keys of several slots
  core::Instant connect_by;           ///< if the connector is busy
  LoginTask login;                    ///< for the next log-in on the open connection
  core::Instant login_at = never;     ///< when to ask for its credentials
  core::Pool pool;                    ///< outlives what is in it
  std::pmr::deque<Debt> owed{&pool};  ///< in order
  BlockReplies block;                 ///< of the first of these
  std::size_t unwritten = 0;          ///< the commands of these that nobody has tried to write
  bool is_tracking = false;           ///< CLIENT TRACKING was sent
  std::string watch_refusal;          ///< why the server tells of no changes; empty: it may
  std::vector<Shard*> shards;         ///< the shards that use it
  core::Instant heard;                ///< when the last reply came
  /// A release had no answer, and nothing has arrived since, so the next release need not wait.
  bool is_silent = false;
};

}  // namespace dlock::detail
