// The client, and what it tells of itself: events and statistics.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <dlock/dlock.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "family.hpp"
#include "held.hpp"
#include "infos.hpp"

namespace dlock::python {
namespace {

using python::tuple_of;  // beside those below
using Seconds = std::chrono::duration<double>;

nb::str str_of(std::string_view text) { return nb::str(text.data(), text.size()); }

template <class Value>
nb::object name_or_none(const std::optional<Value>& value) {
  return value ? nb::object{str_of(name_of(*value))} : nb::none();
}

/// The fields of a tuple are those of the struct.
nb::tuple tuple_of(const dlock::Event& event) {
  return nb::make_tuple(str_of(name_of(event.kind)), bytes_of(event.name),
                        str_of(name_of(event.lock)), Seconds{event.at.time_since_epoch()}.count(),
                        event.fence, name_or_none(event.way), name_or_none(event.reason),
                        Seconds{event.waited}.count(), Seconds{event.held}.count(), event.place,
                        event.store ? nb::cast(tuple_of(*event.store)) : nb::none(),
                        bytes_of(event.text), event.dropped);
}

LogSink log_of(nb::callable function) {
  return [sink = std::make_shared<const Callback>(std::move(function))](LogLevel level,
                                                                        std::string_view text) {
    sink->call([&] { return nb::make_tuple(static_cast<int>(level), str_of(text)); });
  };
}

GroupFunction group_of(std::optional<nb::callable> function) {
  if (!function) return {};
  return [group = std::make_shared<const Callback>(std::move(*function))](std::string_view name) {
    return group->ask(
        [&] { return nb::bytes(name.data(), name.size()); },
        [](const nb::object& result) { return text_of(nb::cast<nb::bytes>(result)); });
  };
}

/// The function returns `(user, password, life in ms or None)`, or the bytes of a problem.
CredentialsFunction credentials_of(std::optional<nb::callable> function) {
  if (!function) return {};
  return [ask = std::make_shared<const Callback>(std::move(*function))] {
    return ask->ask([] { return nb::none(); },
                    [](const nb::object& result) {
                      if (nb::isinstance<nb::bytes>(result)) {
                        throw Unreachable(errc::unreachable, text_of(nb::cast<nb::bytes>(result)));
                      }
                      const auto [user, password, life] =
                          nb::cast<std::tuple<nb::bytes, nb::bytes, Ms>>(result);
                      Credentials credentials{text_of(user), text_of(password), {}};
                      if (life) credentials.life = Span{milliseconds{*life}};
                      return credentials;
                    });
  };
}

EventHandler handler_of(std::optional<nb::callable> function) {
  if (!function) return {};
  return [handler =
              std::make_shared<const Callback>(std::move(*function))](const dlock::Event& event) {
    handler->call([&] { return nb::make_tuple(tuple_of(event)); });
  };
}

using PyHistogram = std::tuple<std::vector<std::uint64_t>, std::uint64_t, double>;
using PyLockStats = std::tuple<std::vector<std::uint64_t>, std::vector<std::vector<std::uint64_t>>,
                               std::vector<std::uint64_t>, PyHistogram, PyHistogram, PyHistogram>;
using PyStats = std::tuple<PyLockStats, std::vector<std::uint64_t>,
                           std::vector<std::tuple<nb::bytes, PyLockStats>>,
                           std::vector<std::tuple<nb::bytes, bool>>>;

template <class Array>
std::vector<std::uint64_t> list_of(const Array& values) {
  return {values.begin(), values.end()};
}

PyHistogram tuple_of(const Histogram& histogram) {
  return {list_of(histogram.counts), histogram.count, histogram.sum};
}

PyLockStats tuple_of(const LockStats& of) {
  std::vector<std::vector<std::uint64_t>> acquisitions;
  for (const auto& ways : of.acquisitions) acquisitions.push_back(list_of(ways));
  return {{of.acquired, of.granted, of.passed, of.released, of.lost, of.timed_out, of.deadlocks,
           of.held, of.waiting},
          std::move(acquisitions),
          list_of(of.losses),
          tuple_of(of.wait),
          tuple_of(of.hold),
          tuple_of(of.handoff_gap)};
}

PyStats stats_of(const PyClient& client) {
  const auto stats = asked(client, [](Client& inner) { return inner.stats(); });
  std::vector<std::tuple<nb::bytes, PyLockStats>> groups;
  for (const auto& one : stats.groups) groups.emplace_back(bytes_of(one.group), tuple_of(one));
  std::vector<std::tuple<nb::bytes, bool>> elections;
  for (const auto& one : stats.elections) elections.emplace_back(bytes_of(one.name), one.leads);
  return {tuple_of(stats),
          {stats.renewals, stats.reconnects, stats.commands, stats.sent_bytes, stats.received_bytes,
           stats.dropped_events},
          std::move(groups),
          std::move(elections)};
}

nb::bytes prometheus_text_of(const PyClient& client) {
  return bytes_of(asked(client, [](Client& inner) { return prometheus_text(inner); }));
}

nb::bytes prometheus_text_of_all(const std::vector<std::tuple<nb::bytes, PyClient*>>& clients) {
  std::vector<std::shared_ptr<Client>> kept;
  std::map<std::string, std::reference_wrapper<const Client>> all;
  for (const auto& [name, client] : clients) {
    kept.push_back(client->get());
    all.emplace(text_of(name), *kept.back());
  }
  std::string text;
  {
    const WithoutGil without_gil;
    const auto inside = std::move(kept);  // if one is the last, it ends without the GIL
    text = prometheus_text(all);
  }
  return bytes_of(text);
}

/// The names of the values of `Enum`.
template <class Enum>
nb::list names_of(std::size_t count) {
  nb::list names;
  for (std::size_t i = 0; i < count; ++i) names.append(str_of(name_of(static_cast<Enum>(i))));
  return names;
}

}  // namespace

PyClient::PyClient(const std::string& url, const std::string& prefix, const nb::bytes& label,
                   nb::callable log, std::optional<nb::callable> group,
                   std::optional<nb::callable> on_event, Ms slow_wait,
                   std::optional<nb::callable> credentials)
    : client_(std::make_shared<Client>(
          // Without a URL there is none; users pass no empty ones.
          url.empty() ? std::string_view{} : std::string_view{url},
          ClientOptions{
              .prefix = prefix,
              .label = text_of(label),
              .log = log_of(std::move(log)),
              .group = group_of(std::move(group)),
              .on_event = handler_of(std::move(on_event)),
              .slow_wait = slow_wait ? std::optional<Span>{milliseconds{*slow_wait}} : std::nullopt,
              .credentials = credentials_of(std::move(credentials))})) {}

void add_client(nb::module_& m) {
  nb::class_<PyClient>(m, "Client", nb::is_weak_referenceable())
      .def(nb::init<const std::string&, const std::string&, const nb::bytes&, nb::callable,
                    std::optional<nb::callable>, std::optional<nb::callable>, Ms,
                    std::optional<nb::callable>>())
      .def("close", &PyClient::close);
  m.def("stats", &stats_of);
  m.def("prometheus_text", &prometheus_text_of);
  m.def("prometheus_text_of_all", &prometheus_text_of_all);
  m.attr("lease_kinds") = names_of<LeaseKind>(lease_kinds);
  m.attr("ways") = names_of<AcquiredBy>(ways_to_acquire);
  m.attr("loss_reasons") = names_of<LossReason>(loss_reasons);
  nb::list bounds;
  for (const double bound : Histogram::bounds) bounds.append(bound);
  m.attr("histogram_bounds") = bounds;
}

}  // namespace dlock::python
