// Asking the nodes of a cluster for its slots.
#include "redis/cluster.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include "dlock/error.hpp"

namespace dlock::redis {
namespace {

using std::chrono::milliseconds;

template <class Number>
bool read_number(const Reply& reply, Number& number) {
  const auto& text = reply.text;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// A node may not know its own address, or announce none: then it is the one that was asked.
std::vector<SlotRange> read_slots(const Reply& reply, const Endpoint::Address& asked) {
  std::vector<SlotRange> ranges;
  for (const auto& row : reply.elements) {
    SlotRange range;
    if (row.elements.size() < 3 || row.elements[2].elements.size() < 2 ||
        !read_number(row.elements[0], range.first) || !read_number(row.elements[1], range.last) ||
        !read_number(row.elements[2].elements[1], range.primary.port)) {
      continue;
    }
    range.primary.host = row.elements[2].elements[0].text;
    if (range.primary.host.empty()) range.primary.host = asked.host;
    if (range.primary.host != "?") ranges.push_back(std::move(range));
  }
  return ranges;
}

}  // namespace

std::vector<SlotRange> fetch_slots(const Connection::Settings& settings,
                                   const std::vector<Endpoint::Address>& known, Deadline deadline) {
  auto all = known;
  for (const auto& address : settings.endpoint.addresses) {
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
  }
  // Each node has a share of the time, and so has the use of the answer.
  auto left = static_cast<int>(all.size()) + 1;
  auto code = errc::unreachable;
  std::string problem;
  for (const auto& address : all) {
    auto there = settings;
    there.endpoint = settings.endpoint.at(address, Endpoint::Kind::cluster_node);
    const auto time = deadline - std::chrono::steady_clock::now();
    there.connect_timeout =
        std::max(milliseconds{1}, std::chrono::ceil<milliseconds>(time / left--));
    try {
      const auto node = Connection::open(there);
      const auto reply = node->call({"CLUSTER", "SLOTS"}, there.connect_timeout);
      if (reply.kind == ReplyView::Kind::error) {
        const auto error = classify(reply.text);
        throw_error(error.code, error.what);
      }
      auto ranges = read_slots(reply, address);
      if (!ranges.empty()) return ranges;
      code = errc::store_unusable;
      problem = "no node of the cluster has slots; see CLUSTER INFO on its nodes";
    } catch (const Error& error) {
      if (error.reason() != errc::unreachable || problem.empty()) {
        code = error.reason();
        problem = std::string{"no node of the cluster says where the slots are; the last error: "} +
                  error.what();
      }
    }
  }
  throw_error(code, problem);
}

Endpoint::Address find_primary(const Connection::Settings& settings, Deadline deadline) {
  for (const auto& range : fetch_slots(settings, {}, deadline)) {
    if (range.first <= settings.slot && settings.slot <= range.last) return range.primary;
  }
  throw_error(errc::store_unusable, "no node of the cluster has slot " +
                                        std::to_string(settings.slot) +
                                        "; see CLUSTER INFO on its nodes");
}

}  // namespace dlock::redis
