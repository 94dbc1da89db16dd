// The health of the connection.
#include "core/engine/link.hpp"

#include "core/engine/backoff.hpp"

namespace dlock::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Backoff reconnect_backoff{milliseconds{10}, seconds{1}};

}  // namespace

bool Link::connect() {
  if (!is_idle()) {
    return false;
  }
  connecting_ = true;
  return true;
}

void Link::on_connected(Instant now) {
  connected_ = ever_connected_ = true;
  connecting_ = false;
  reconnect_at_.reset();
  heard_ = answered_ = now;
  may_watch_ = true;
}

void Link::on_disconnected() {
  connected_ = false;
  subscribe_error_.reset();
}

void Link::on_good_reply() {
  trouble_since_.reset();
  trouble_.clear();
  delay_ = {};
}

bool Link::on_trouble(Instant now, std::string_view why) {
  if (!why.empty()) {
    trouble_ = why;
  }
  if (!trouble_since_) {
    trouble_since_ = now;
  }
  return now - *trouble_since_ >= patience_;
}

std::string Link::explained(const std::string& what) const {
  return trouble_.empty() ? what : what + "; the last problem: " + trouble_;
}

void Link::forget_idle_trouble(Instant now) {
  if (trouble_since_ && !connecting_ && !reconnect_at_) {
    trouble_since_ = now;
  }
}

void Link::reconnect_at_once() { delay_ = reconnect_backoff.after({}); }

void Link::reconnect_later(Instant now, RandomBits random) {
  delay_ = reconnect_backoff.after(delay_);
  reconnect_at_ = now + jittered(delay_, random);
}

bool Link::take_reconnect(Instant now) {
  const auto when = reconnect_at();
  if (!when || now < *when) {
    return false;
  }
  reconnect_at_.reset();
  return true;
}

}  // namespace dlock::core
