// Connecting, and making sure that the connection before is dead.
#include "client/connector.hpp"

#include <exception>
#include <thread>
#include <utility>

#include "client/quiet_thread.hpp"

namespace dlock::detail {
namespace {

// Whether nothing sent on connection `old` can still be carried out. Kills it if need be, but only
// if it is ours: after a restart of the server its number may be somebody else's.
bool kill_old(redis::Connection& connection, const Connector::Request& request) {
  if (request.kill == 0 || request.kill == connection.id()) {
    return true;
  }
  const auto id = std::to_string(request.kill);
  const auto listed = connection.call({"CLIENT", "LIST", "ID", id}, request.request_timeout);
  if (listed.kind != redis::ReplyView::Kind::text) {
    return false;
  }
  if (listed.text.find(" name=" + request.settings.client_name + " ") == std::string::npos) {
    return true;
  }
  const auto killed = connection.call({"CLIENT", "KILL", "ID", id}, request.request_timeout);
  return killed.kind == redis::ReplyView::Kind::text;
}

Dialled dial(const Connector::Request& request) {
  Dialled result;
  try {
    result.connection = redis::Connection::open(request.settings);
    result.old_is_dead = kill_old(*result.connection, request);
  } catch (const Error& error) {
    result = {nullptr, true, error.reason(), error.what()};
  } catch (const std::exception& error) {
    result = {nullptr, true, errc::unreachable,
              "cannot connect to " + request.settings.endpoint.display() + ": " + error.what()};
  }
  return result;
}

}  // namespace

void Connector::start(Request request, std::shared_ptr<Wake> leader, std::shared_ptr<Wake> keeper) {
  attempt_ = std::make_shared<Attempt>();
  const auto finish = [attempt = attempt_, leader = std::move(leader),
                       keeper = std::move(keeper)](Dialled result) {
    {
      const std::lock_guard lock{attempt->mutex};
      attempt->result = std::move(result);
    }
    leader->notify();
    keeper->notify();
  };
  try {
    quiet_thread([request = std::move(request), finish] { finish(dial(request)); }).detach();
  } catch (const std::exception& error) {
    finish({nullptr, true, errc::unreachable,
            std::string{"no thread could be started to connect: "} + error.what()});
  }
}

std::optional<Dialled> Connector::take() {
  if (!attempt_) {
    return std::nullopt;
  }
  std::optional<Dialled> result;
  {
    const std::lock_guard lock{attempt_->mutex};
    result = std::move(attempt_->result);
  }
  if (result) {
    attempt_.reset();
  }
  return result;
}

}  // namespace dlock::detail
