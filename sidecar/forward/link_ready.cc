#include <algorithm>

#include "sidecar/forward/link_channel.h"
#include "sidecar/forward/link_consumer.h"

namespace pannier::forward {

std::uint64_t LinkChannel::age_of(queue::Milliseconds published) const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, context_.clock.now_ms() - published));
}

bool LinkChannel::is_exhausted(const Pull& pull) const {
  return pull.queue->deliverable() == 0 || pull.delivered >= pull.limit || is_at_limit(pull);
}

// What changes is announced, and what was asked answered, unless the peer does not read.
void LinkChannel::note_ready(Pull& pull) {
  const std::uint64_t ready = pull.queue->deliverable();
  const bool answers = pull.asks && is_exhausted(pull);
  if (!answers && ready == pull.announced) {
    announce_at(pull, {});
    return;
  }
  if (session_.is_overfull()) {
    announce_at(pull, {});
    holds_announcements_ = true;
    return;
  }
  const auto due = pull.announced_at + kReadyInterval;
  if (answers || pull.announced == 0 || context_.clock.now() >= due)
    announce(pull);
  else
    announce_at(pull, due);
}

void LinkChannel::announce(Pull& pull) {
  announce_at(pull, {});
  if (is_exhausted(pull)) pull.asks = false;
  pull.announced = pull.queue->deliverable();
  pull.announced_at = context_.clock.now();
  const auto oldest = pull.queue->status().oldest;
  put(LinkReady{pull.name, pull.announced, oldest ? age_of(*oldest) : 0, pull.limit});
  session_.session_rings();
}

void LinkChannel::announce_at(Pull& pull, std::optional<Clock::time_point> when) {
  if (pull.announce_at == when) return;
  if (pull.announce_at) announcements_.erase({*pull.announce_at, pull.name});
  pull.announce_at = when;
  if (!when) return;
  announcements_.emplace(*when, pull.name);
  session_.session_rings();
}

std::optional<Clock::time_point> LinkChannel::deadline() const {
  if (announcements_.empty()) return {};
  return announcements_.begin()->first;
}

void LinkChannel::on_time(Clock::time_point now) {
  std::vector<std::string> due;
  for (const auto& [when, queue] : announcements_) {
    if (when > now) break;
    due.push_back(queue);
  }
  for (const std::string& queue : due) note_ready(pulls_.find(queue)->second);
}

}  // namespace pannier::forward
