#include "sidecar/queue/denial_log.h"

#include <cstdlib>

namespace pannier::queue {

std::string_view name_of(Principal::Kind kind) {
  switch (kind) {
    case Principal::Kind::service_account: return "ServiceAccount";
    case Principal::Kind::user: return "user";
    case Principal::Kind::agent: return "agent";
    case Principal::Kind::control: return "control";
  }
  std::abort();
}

DenialLog::DenialLog(const Clock& clock, std::size_t remembered_max)
    : clock_(clock), remembered_max_(remembered_max), beyond_(1, clock) {}

void DenialLog::note(const Principal& principal, std::string_view verb, std::string_view queue) {
  const Clock::time_point now = clock_.now();
  on_time(now);
  std::string key(1, static_cast<char>('0' + static_cast<int>(principal.kind)));
  key.append(verb).append(1, '\0').append(principal.name).append(1, '\0').append(queue);
  if (const auto found = denied_.find(key); found != denied_.end()) {
    ++found->second.repeated;
    return;
  }
  const log::Fields fields{{"kind", name_of(principal.kind)},
                           {"principal", principal.name},
                           {"verb", verb},
                           {"queue", queue}};
  if (denied_.size() >= remembered_max_) {
    log::warn(beyond_, "access denied", fields);
    return;
  }
  log::warn("access denied", fields);
  forgotten_at_.emplace_back(now + kInterval, key);
  denied_.emplace(std::move(key), Denied{principal, std::string(verb), std::string(queue)});
}

void DenialLog::on_time(Clock::time_point now) {
  while (!forgotten_at_.empty() && forgotten_at_.front().first <= now) {
    const auto found = denied_.find(forgotten_at_.front().second);
    const Denied& denied = found->second;
    if (denied.repeated > 0)
      log::warn("access was denied repeatedly", {{"kind", name_of(denied.principal.kind)},
                                                 {"principal", denied.principal.name},
                                                 {"verb", denied.verb},
                                                 {"queue", denied.queue},
                                                 {"times", denied.repeated}});
    denied_.erase(found);
    forgotten_at_.pop_front();
  }
}

std::optional<Clock::time_point> DenialLog::deadline() const {
  if (forgotten_at_.empty()) return std::nullopt;
  return forgotten_at_.front().first;
}

}  // namespace pannier::queue
