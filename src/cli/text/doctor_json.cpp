// The doctor's findings as programs read them.
#include "cli/text/doctor_json.hpp"

#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <vector>

#include "inspect/json.hpp"

namespace dlock::cli {

namespace {

using detail::json_array;
using detail::json_string;
using detail::JsonObject;

std::string node_json(const CheckedNode& node) {
  JsonObject object;
  object.text("address", node.address).text("role", node.role);
  object.raw("version", node.version.empty() ? "null" : json_string(node.version));
  const auto number = [&](std::string_view key, bool known, auto value) {
    object.raw(key, known ? fmt::to_string(value) : "null");
  };
  number("round_trip_us", node.round_trip.has_value(),
         node.round_trip.value_or(std::chrono::microseconds{}).count());
  const auto offset = node.clock_offset.value_or(decltype(node.clock_offset)::value_type{});
  number("clock_offset_us", node.clock_offset.has_value(), offset.value.count());
  number("clock_offset_error_us", node.clock_offset.has_value(), offset.error.count());
  const auto drift = node.clock_drift.value_or(decltype(node.clock_drift)::value_type{});
  number("clock_drift", node.clock_drift.has_value(), drift.value);
  number("clock_drift_error", node.clock_drift.has_value(), drift.error);
  return object.str();
}

}  // namespace

std::string doctor_json(const std::string& url, const Checkup& checkup) {
  std::vector<std::string> nodes, findings;
  for (const auto& node : checkup.nodes) nodes.push_back(node_json(node));
  for (const auto& finding : checkup.findings) {
    JsonObject object;
    object.text("grade", to_string(finding.grade)).text("subject", finding.subject);
    object.raw("node", finding.node.empty() ? "null" : json_string(finding.node));
    object.text("what", finding.what).text("why", finding.why).text("fix", finding.fix);
    findings.push_back(object.str());
  }
  JsonObject object;
  object.text("url", url).text("worst", to_string(checkup.worst()));
  object.raw("nodes", json_array(nodes)).raw("findings", json_array(findings));
  return object.str();
}

}  // namespace dlock::cli
