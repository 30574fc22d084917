#include "operator/agent_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/config_text.h"

namespace pannier {
namespace {

using Json = nlohmann::json;

// Beyond these an answer is no agent's.
constexpr std::size_t kQueuesMax = 100'000;
constexpr std::size_t kLinksMax = 20'000;
constexpr std::size_t kTextBytesMax = 1'024;

Error no_report(const std::string& what) {
  return Error{Errc::bad_argument, "expected an agent's status, found " + what};
}

const Json* find(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string text(const Json& object, std::string_view key) {
  const Json* const value = find(object, key);
  if (value == nullptr || !value->is_string()) return {};
  const auto& held = value->get_ref<const std::string&>();
  return held.size() <= kTextBytesMax ? held : std::string();
}

std::optional<std::uint64_t> number(const Json& object, std::string_view key) {
  const Json* const value = find(object, key);
  if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
  return value->get<std::uint64_t>();
}

bool flag(const Json& object, std::string_view key) {
  const Json* const value = find(object, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

// Agents write milliseconds, which are more than a status shows.
std::optional<Timestamp> time(const Json& object, std::string_view key) {
  constexpr std::size_t kSecondsBytes = std::string_view("2026-11-22T10:00:00").size();
  const std::string written = text(object, key);
  if (written.size() <= kSecondsBytes || written.back() != 'Z') return std::nullopt;
  const auto parsed = parse_timestamp(written.substr(0, kSecondsBytes) + "Z");
  return parsed ? std::optional(*parsed) : std::nullopt;
}

// What deletion depends on must be there: a count that is missing is not zero.
Result<ReportedQueue> read_queue(const Json& json) {
  ReportedQueue queue;
  queue.name = text(json, "name");
  queue.uid = text(json, "uid");
  const Json* const uid = find(json, "uid");
  const auto generation = number(json, "generation");
  const auto ready = number(json, "ready");
  const auto unacked = number(json, "unacked");
  const auto delayed = number(json, "delayed");
  const auto bytes = number(json, "bytes");
  if (uid == nullptr || !uid->is_string() || !generation || !ready || !unacked || !delayed ||
      !bytes)
    return no_report("a queue without its UID, generation or counts");
  if (!queue.uid.empty() && !is_identifier(queue.uid)) return no_report("a UID that is none");
  queue.generation = *generation;
  queue.ready = *ready;
  queue.unacked = *unacked;
  queue.delayed = *delayed;
  queue.bytes = *bytes;
  queue.durability = text(json, "durability");
  queue.consumers = number(json, "consumers").value_or(0);
  queue.oldest = time(json, "oldestMessageTime");
  if (const Json* const counters = find(json, "counters"))
    queue.lost = number(*counters, "lost").value_or(0);
  return queue;
}

Result<void> read_links(const Json& json, std::string_view direction, AgentReport& report) {
  const Json* const links = find(json, direction);
  if (links == nullptr) return {};
  if (!links->is_array() || report.links.size() + links->size() > kLinksMax)
    return no_report("links that are no list, or too many");
  for (const Json& each : *links) {
    ReportedLink link;
    link.peer = text(each, "peer");
    link.is_push = direction == "push";
    link.lag = number(each, "lag").value_or(0);
    link.moved = number(each, "moved").value_or(0);
    if (const Json* const age = find(each, "oldestAgeSeconds"); age != nullptr && age->is_number())
      link.oldest_age_seconds = age->get<double>();
    report.links.push_back(std::move(link));
  }
  return {};
}

void read_spool(const Json& json, AgentReport& report) {
  report.spool_bytes = number(json, "bytes").value_or(0);
  report.spool_bytes_max = number(json, "max").value_or(0);
  report.is_spool_full = flag(json, "full");
}

void read_certificates(const Json& json, AgentReport& report) {
  if (!json.is_array()) return;
  for (const Json& each : json)
    if (text(each, "use") == "peer") report.peer_certificate_expires = time(each, "expiresAt");
}

}  // namespace

const ReportedQueue* AgentReport::find(std::string_view uid) const {
  if (uid.empty()) return nullptr;
  if (is_sorted) {
    const auto found = std::ranges::lower_bound(queues, uid, {}, &ReportedQueue::uid);
    return found != queues.end() && found->uid == uid ? &*found : nullptr;
  }
  for (const ReportedQueue& queue : queues)
    if (queue.uid == uid) return &queue;
  return nullptr;
}

Result<AgentReport> parse_agent_report(std::string_view json_text) {
  const Json json = Json::parse(json_text, nullptr, false);
  if (!json.is_object()) return no_report("something else");
  AgentReport report;
  report.version = text(json, "version");
  report.spool_id = text(json, "spoolId");
  if (!is_uuid(report.spool_id)) report.spool_id.clear();
  report.phase = text(json, "phase");
  report.trust_bundle = text(json, "trustBundle");
  if (const Json* const pod = find(json, "pod")) report.pod_uid = text(*pod, "uid");
  if (!is_identifier(report.pod_uid)) return no_report("none of a pod's UID");
  if (const Json* const policy = find(json, "policy"))
    report.policy_version = text(*policy, "version");
  if (const Json* const members = find(json, "members"))
    report.members_version = text(*members, "version");
  const Json* const queues = find(json, "queues");
  if (queues == nullptr || !queues->is_array() || queues->size() > kQueuesMax)
    return no_report("no list of queues, or one that is too long");
  for (const Json& each : *queues) {
    auto queue = read_queue(each);
    if (!queue) return queue.error();
    report.queues.push_back(std::move(*queue));
  }
  if (const Json* const links = find(json, "links"))
    for (const std::string_view direction : {"pull", "push"})
      if (auto read = read_links(*links, direction, report); !read) return read.error();
  if (const Json* const spool = find(json, "spool")) read_spool(*spool, report);
  if (const Json* const all = find(json, "certificates")) read_certificates(*all, report);
  return report;
}

void AgentReports::put(AgentReport report) {
  std::ranges::stable_sort(report.queues, {}, &ReportedQueue::uid);
  report.is_sorted = true;
  const std::string pod_uid = report.pod_uid;
  auto shared = std::make_shared<const AgentReport>(std::move(report));
  const std::lock_guard lock(mutex_);
  kept_.insert_or_assign(pod_uid, Kept{std::move(shared), clock_.now()});
}

void AgentReports::forget(const std::string& pod_uid) {
  const std::lock_guard lock(mutex_);
  kept_.erase(pod_uid);
}

std::shared_ptr<const AgentReport> AgentReports::find(const std::string& pod_uid) const {
  const std::lock_guard lock(mutex_);
  const auto kept = kept_.find(pod_uid);
  if (kept == kept_.end() || clock_.now() - kept->second.at > kFreshFor) return nullptr;
  return kept->second.report;
}

bool AgentReports::is_yet_to_report(const std::string& pod_uid,
                                    std::optional<Timestamp> started_at) const {
  if (!started_at || clock_.now() >= began_ + kFreshFor) return false;
  const auto started_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(started_at->time_since_epoch());
  return started_ms.count() < began_wall_ms_ && find_last(pod_uid) == nullptr;
}

std::shared_ptr<const AgentReport> AgentReports::find_last(const std::string& pod_uid) const {
  const std::lock_guard lock(mutex_);
  const auto kept = kept_.find(pod_uid);
  return kept == kept_.end() ? nullptr : kept->second.report;
}

}  // namespace pannier
