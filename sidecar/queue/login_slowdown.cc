#include "sidecar/queue/login_slowdown.h"

#include <algorithm>

namespace pannier::queue {

std::chrono::milliseconds LoginSlowdown::delay(const CredentialDigest& user,
                                               Clock::time_point now) const {
  const auto found = failing_.find(user);
  if (found == failing_.end() || found->second.forgotten_at <= now)
    return std::chrono::milliseconds{0};
  return found->second.delay;
}

void LoginSlowdown::note_failure(const CredentialDigest& user, Clock::time_point now) {
  auto found = failing_.find(user);
  if (found != failing_.end() && found->second.forgotten_at <= now) {
    failing_.erase(found);
    found = failing_.end();
  }
  if (found == failing_.end()) {
    make_room(now);
    const Failing first{0, now + limits_.window, {}, Backoff(limits_.delay)};
    found = failing_.emplace(user, first).first;
  }
  Failing& failing = found->second;
  if (++failing.failures < limits_.failures_free) return;
  failing.delay = failing.backoff.next();
  failing.forgotten_at = now + limits_.window;
}

// Each failure has cost a scrypt before it comes here: looking at all of them is cheap beside it.
void LoginSlowdown::make_room(Clock::time_point now) {
  if (failing_.size() < limits_.users_max) return;
  std::erase_if(failing_, [now](const auto& entry) { return entry.second.forgotten_at <= now; });
  if (failing_.size() < limits_.users_max) return;
  failing_.erase(std::min_element(
      failing_.begin(), failing_.end(),
      [](const auto& a, const auto& b) { return a.second.forgotten_at < b.second.forgotten_at; }));
}

}  // namespace pannier::queue
