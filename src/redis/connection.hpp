// One connection to a Redis server: log in, send commands, take replies and pushes.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dlock/error.hpp"
#include "dlock/options.hpp"
#include "redis/url.hpp"
#include "runtime/descriptor.hpp"
#include "runtime/ready_sockets.hpp"
#include "script/script.hpp"

namespace dlock::redis {

/// A reply as text, valid during the call only.
struct ReplyView {
  enum class Kind { text, error, nil, other };
  Kind kind = Kind::nil;
  std::string_view text{};                ///< integers as decimal text
  std::span<const ReplyView> elements{};  ///< of an array of at most `max_elements`
  static constexpr std::size_t max_elements = 4;
};

/// The command of a server that deletes a key if it has a given value.
enum class DeleteIfEqual : std::uint8_t { none, delifeq, delex };

/// Takes what a connection reads, in order of arrival.
class Receiver {
 public:
  /// The reply to the oldest command that has none yet (SSUBSCRIBE's confirmation counts as one).
  virtual void on_reply(const ReplyView& reply) = 0;
  /// Called before each reply: the server's spelling of whole replies that are likely to come next,
  /// or nothing. If just these come, one call of `on_likely` replaces the calls of `on_reply`.
  [[nodiscard]] virtual std::string_view likely() const { return {}; }
  virtual void on_likely() {}
  /// A message on a subscribed channel.
  virtual void on_message(std::string_view channel, std::string_view payload) = 0;
  /// The server ended the subscription to `channel` by itself.
  virtual void on_unsubscribed(std::string_view channel) = 0;
  /// A key changed that was read right after CLIENT CACHING YES; none: all of them.
  virtual void on_changed(std::optional<std::string_view> /*key*/) {}

 protected:
  ~Receiver() = default;
};

/// A whole reply as a tree, for connections that are not shared.
struct Reply {
  ReplyView::Kind kind = ReplyView::Kind::nil;
  std::string text;             ///< text or error; integers as decimal text
  std::vector<Reply> elements;  ///< arrays, maps (flattened) and sets; kind is `other` then
};

/// The bytes that connections carried, without the encryption.
struct Traffic {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

/// Where a private server listens.
struct LocalSocket {
  std::string path;
  /// A descriptor of the file at `path`. The connection keeps it open, so that other programs find
  /// the socket when its directory is gone.
  runtime::Descriptor hold;
};

/// An open, logged-in connection on a non-blocking socket; or on two, where the server speaks RESP2
/// and not RESP3: then the second one subscribes. Not thread-safe: one caller at a time. Never
/// reconnects; after an error it is good only for destruction.
class Connection {
 public:
  struct Settings {
    Endpoint endpoint;
    std::string client_name;  ///< for CLIENT LIST; "dlock:" and the client's id
    std::chrono::milliseconds connect_timeout{2'000};
    bool to_sentinel = false;  ///< the endpoint is a Sentinel, not a store
    bool wants_run_id = false;
    std::uint16_t slot = 0;  ///< on a cluster, connect to the primary that has it
    /// For `Endpoint::Kind::local`: finds the private server of a directory, or starts it, within
    /// `timeout`.
    LocalSocket (*find_local)(const std::string& directory,
                              std::chrono::milliseconds timeout) = nullptr;
    /// Replaces the user and the password of the endpoint, but not for Sentinels.
    CredentialsFunction credentials{};
  };

  /// Connects and logs in: by HELLO 3 with AUTH and SETNAME in one command, and by SELECT if the db
  /// is not 0; by AUTH, CLIENT SETNAME and others where the server does not know HELLO. Awaits
  /// their replies before it sends anything else. Sets TCP_NODELAY and close-on-exec. Throws
  /// `Unreachable`, `Refused` or `StoreUnusable` (also for a server without sharded publish, older
  /// than Redis 7.0), whose messages say what to do and never contain the password.
  [[nodiscard]] static std::unique_ptr<Connection> open(const Settings& settings);

  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int fd() const noexcept;
  /// The second socket, to be polled too; -1: there is none.
  [[nodiscard]] int listener_fd() const noexcept;
  /// Puts its sockets into `set`, under `number`, until they are closed.
  void show_in(const std::shared_ptr<runtime::ReadySockets>& set, std::uint64_t number);
  /// The server's id of this connection, for CLIENT KILL ID from another one; 0: unknown.
  [[nodiscard]] std::int64_t id() const noexcept;
  /// Tells one run of a server from all others, if `Settings::wants_run_id`; empty: unknown.
  [[nodiscard]] const std::string& run_id() const noexcept;
  /// Whether the server refuses a command with keys of several slots. Not for a node of a cluster.
  [[nodiscard]] bool has_slots() const noexcept;

  /// Whether `Receiver::on_changed` is called at all, by the reply to HELLO: in RESP2, CLIENT
  /// TRACKING says OK, but the server tells of no change.
  [[nodiscard]] bool tells_changes() const noexcept;

  /// Whether it logged in with these, when it was opened.
  [[nodiscard]] bool is_logged_in_with(const Credentials& credentials) const noexcept;
  /// When to log in again; none: never.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> login_due() const noexcept;

  /// By what the server says of its version; `none` after `forget_delete_if_equal`.
  [[nodiscard]] DeleteIfEqual delete_if_equal() const noexcept;
  /// The server, or this user's rights, do not have that command.
  void forget_delete_if_equal() noexcept;

  /// By what this server is to be asked for a script: its digest, or, in EVAL, its `whole` text.
  [[nodiscard]] std::string_view word_for(const script::Script& script, bool whole) const noexcept;
  /// Whether `error` says that the server did not understand that, and is to be asked again with
  /// the whole text, which may be another one now.
  /// `was_plain`: `has_plain_scripts` when it was asked.
  [[nodiscard]] bool lacks_script(std::string_view error, bool was_plain) noexcept;
  /// Whether it asks for scripts without their first line.
  [[nodiscard]] bool has_plain_scripts() const noexcept;

  /// The primary that the Sentinels named, to which this connects; for `Endpoint::Kind::sentinel`.
  [[nodiscard]] const Endpoint::Address& primary() const noexcept;

  /// Counts its bytes in `traffic` from now on, which must outlive it.
  void count_in(Traffic& traffic) noexcept;

  /// Puts a command into the output buffer; `fields[0]` is its name. It must have exactly one
  /// reply: SSUBSCRIBE with one channel at a time, and never SUNSUBSCRIBE or SUBSCRIBE.
  void append(std::span<const std::string_view> fields);
  /// A part of encoded commands: bytes as they go over the network, or a field to encode.
  struct Piece {
    std::string_view bytes;
    bool is_field = false;
  };
  /// The same for commands of which the caller has encoded all that never changes, and which have
  /// that many replies.
  void append_pieces(std::initializer_list<Piece> pieces, std::size_t replies = 1);
  /// Writes what the socket takes. False: the connection is broken (see `problem()`).
  [[nodiscard]] bool flush();
  /// Whether something is still waiting to be written, on any socket, and on the second one.
  [[nodiscard]] bool wants_write() const noexcept;
  [[nodiscard]] bool listener_wants_write() const noexcept;
  /// Reads what is there, without blocking, and hands it to `receiver`. False: the connection is
  /// broken.
  [[nodiscard]] bool receive(Receiver& receiver);
  /// Why the connection is broken.
  [[nodiscard]] const std::string& problem() const noexcept;

  /// Sends one command and waits for its reply; for connections that are not shared. Throws
  /// `Unreachable` when none comes in time. Error replies are returned, not thrown.
  [[nodiscard]] Reply call(std::span<const std::string_view> fields,
                           std::chrono::milliseconds timeout);
  [[nodiscard]] Reply call(std::initializer_list<std::string_view> fields,
                           std::chrono::milliseconds timeout) {
    return call(std::span<const std::string_view>{fields.begin(), fields.size()}, timeout);
  }
  /// The same with many commands in one go, and `timeout` for all of them.
  [[nodiscard]] std::vector<Reply> call_all(const std::vector<std::vector<std::string>>& commands,
                                            std::chrono::milliseconds timeout);

  /// Ends it as the server would: the next read sees the end.
  void hang_up() noexcept;
  /// Closes at once, dropping what is unsent (linger 0), so that nothing late is delivered.
  void abort() noexcept;

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The error that an error reply of the server stands for (`READONLY ...`, `NOPERM ...`), and the
/// sentence to show: what it means and what to do next.
struct ServerError {
  errc code;
  std::string what;
};
[[nodiscard]] ServerError classify(std::string_view error_reply);
/// Whether it says that all keys of a command must be in one slot.
[[nodiscard]] bool is_of_several_slots(std::string_view error_reply);
/// Whether it says that a script is no Lua because of its first line, `#!lua`.
[[nodiscard]] bool is_of_first_line(std::string_view error_reply);

}  // namespace dlock::redis
