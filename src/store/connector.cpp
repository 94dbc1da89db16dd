// Connecting, making sure that the connection before is dead, and asking where slots are.
#include "store/connector.hpp"

#include <exception>
#include <utility>

#include "core/wire/keys.hpp"

namespace dlock::detail {
namespace {

// Whether the server will execute nothing more of the connection `old`. Kills it if necessary, but
// only if it is this client's: after a restart of the server, another client may have its number.
bool kill_old(redis::Connection& connection, const Connector::Request& request) {
  if (!request.kill) return true;
  if (*request.kill == 0) return false;
  if (connection.has_slots()) return false;  // one of many servers would answer
  if (*request.kill == connection.id()) return true;
  const auto id = std::to_string(*request.kill);
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
    if (request.wants_former_fence && result.connection->has_slots()) {
      const auto former =
          result.connection->call({"GET", core::fence_key}, request.request_timeout);
      if (former.kind == redis::ReplyView::Kind::text) result.former_fence = former.text;
      static_cast<void>(core::fence_key_on(0));  // the first search takes a millisecond
    }
  } catch (const Error& error) {
    const bool is_started_by_us = request.settings.endpoint.kind == redis::Endpoint::Kind::local;
    const bool may_recover =
        !is_started_by_us && dynamic_cast<const redis::UnknownHost*>(&error) == nullptr;
    result = {nullptr, {}, true, error.reason(), error.what(), may_recover};
  } catch (const std::exception& error) {
    result = {nullptr,
              {},
              true,
              errc::unreachable,
              "cannot connect to " + request.settings.endpoint.display() + ": " + error.what()};
  }
  return result;
}

Surveyed survey(const redis::Connection::Settings& settings,
                const std::vector<redis::Endpoint::Address>& known) {
  try {
    const auto deadline = std::chrono::steady_clock::now() + settings.connect_timeout;
    return {redis::fetch_slots(settings, known, deadline), {}, {}};
  } catch (const Error& error) {
    return {{}, error.reason(), settings.endpoint.display() + ": " + error.what()};
  } catch (const std::exception& error) {
    return {{}, errc::unreachable, settings.endpoint.display() + ": " + error.what()};
  }
}

}  // namespace

void Connector::start(Request request, std::function<void()> wake) {
  BackgroundTask::start(
      [request = std::move(request)] { return dial(request); },
      [](const std::string& why) {
        return Dialled{
            nullptr, {}, true, errc::unreachable, "cannot start a thread to connect: " + why};
      },
      std::move(wake));
}

void SlotSurvey::start(redis::Connection::Settings settings,
                       std::vector<redis::Endpoint::Address> known, std::function<void()> wake) {
  BackgroundTask::start(
      [settings = std::move(settings), known = std::move(known)] {
        return survey(settings, known);
      },
      [](const std::string& why) {
        return Surveyed{{}, errc::unreachable, "cannot start a thread to ask the cluster: " + why};
      },
      std::move(wake));
}

}  // namespace dlock::detail
