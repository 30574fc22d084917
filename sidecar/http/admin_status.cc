#include "sidecar/http/admin_status.h"

#include <nlohmann/json.hpp>

#include "common/clock.h"

namespace pannier::http {
namespace {

using Json = nlohmann::ordered_json;

// By the reasons of x-death.
Json of_deaths(const QueueNumbers& numbers) {
  return {{"rejected", numbers.rejected},
          {"expired", numbers.expired},
          {"maxlen", numbers.dropped},
          {"delivery_limit", numbers.delivery_limit}};
}

Json of_queue(const AdminQueue& queue) {
  const QueueNumbers& numbers = queue.numbers;
  Json json{{"name", queue.name},
            {"uid", queue.uid},
            {"generation", queue.generation},
            {"durability", queue.durability},
            {"paused", queue.paused},
            {"ready", numbers.messages_ready},
            {"unacked", numbers.messages_unacked},
            {"delayed", numbers.messages_delayed},
            {"bytes", numbers.bytes},
            {"consumers", numbers.consumers}};
  if (queue.oldest_ms) json["oldestMessageTime"] = rfc3339(*queue.oldest_ms);
  json["counters"] = {{"published", numbers.published},
                      {"delivered", numbers.delivered},
                      {"redelivered", numbers.redelivered},
                      {"acked", numbers.acked},
                      {"returned", queue.returned},
                      {"expired", numbers.expired},
                      {"deadLettered", numbers.dead_lettered},
                      {"dropped", numbers.dropped},
                      {"refused", numbers.refused},
                      {"deduplicated", numbers.deduplicated},
                      {"lost", queue.lost},
                      {"deaths", of_deaths(numbers)}};
  return json;
}

Json of_encryption(const AdminEncryption& encryption) {
  Json json{{"currentKey", encryption.current},
            {"keysInUse", encryption.in_use},
            {"required", encryption.required}};
  if (!encryption.error.empty()) json["error"] = encryption.error;
  return json;
}

Json of_links(const std::vector<AdminLink>& links, std::string_view direction) {
  Json json = Json::array();
  for (const AdminLink& link : links)
    if (link.direction == direction)
      json.push_back({{"peer", link.peer},
                      {"lag", link.numbers.lag_messages},
                      {"oldestAgeSeconds", link.numbers.oldest_age_seconds},
                      {"moved", link.numbers.moved}});
  return json;
}

}  // namespace

std::string to_json(const AdminStatus& status) {
  Json json{{"version", status.version},
            {"namespace", status.namespace_name},
            {"pod", {{"name", status.pod}, {"uid", status.pod_uid}}},
            {"spoolId", status.spool_id},
            {"phase", status.phase},
            {"startedAt", rfc3339(status.started_ms)},
            {"policy", {{"version", status.policy_version}, {"queues", status.policy_queues}}},
            {"members", {{"version", status.members_version}, {"agents", status.members_agents}}},
            {"confirmed", status.confirmed}};
  Json& queues = json["queues"] = Json::array();
  for (const AdminQueue& queue : status.queues) queues.push_back(of_queue(queue));
  json["links"] = {{"pull", of_links(status.links, "pull")},
                   {"push", of_links(status.links, "push")}};
  json["spool"] = {
      {"bytes", status.spool.bytes},     {"max", status.spool.bytes_max},
      {"live", status.spool.bytes_live}, {"segments", status.spool.segments},
      {"full", status.spool.full},       {"corruptRecords", status.spool.corrupt_records}};
  if (status.spool.encryption)
    json["spool"]["encryption"] = of_encryption(*status.spool.encryption);
  Json& certificates = json["certificates"] = Json::array();
  for (const AdminCertificate& each : status.certificates)
    certificates.push_back({{"use", each.use}, {"expiresAt", rfc3339(each.expires_ms)}});
  json["trustBundle"] = status.trust_bundle;
  // Names of queues may be any bytes, and one of them must not cost the whole answer.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace pannier::http
