#include "common/members.h"

#include <algorithm>
#include <set>

#include "common/ip_address.h"
#include "common/policy.h"
#include "common/yaml_map.h"
#include "common/yaml_writer.h"

namespace pannier {
namespace {

constexpr YamlLimits kMembersLimits{64u << 20, 4'000'000, 32, 1};
constexpr TextRule kAddressRule{"an IP address", 45, is_ip_address, true};

template <typename Io>
void agent_fields(Io& io, auto& agent) {
  io.text("podUid", agent.pod_uid, kUidRule);
  io.text("podName", agent.pod_name, kObjectNameRule);
  io.text("spoolId", agent.spool_id, optional(kUuidRule));
  io.text("address", agent.address, kAddressRule);
  io.integer("port", agent.port, {1, 65'535});
  io.text("serviceAccount", agent.service_account, kObjectNameRule);
  io.boolean("draining", agent.draining);
  io.boolean("host", agent.host);
  io.optional_timestamp("startedAt", agent.started_at);
}

template <typename Io>
void queue_fields(Io& io, auto& queue) {
  io.text("uid", queue.uid, kUidRule);
  io.text_list("servedBy", queue.served_by, kMembersAgentsMax, kUidRule);
  io.text_list("mayPull", queue.may_pull, kMembersAgentsMax, kUidRule);
  io.text_list("mayReceive", queue.may_receive, kMembersAgentsMax, kUidRule);
}

// Each agent and queue once, and a queue names only agents that are listed: a UID that nobody knows
// would be a permission that nobody can check.
void check_references(YamlMap& io, const Members& members) {
  std::set<std::string_view> agents, queues;
  for (const MemberAgent& agent : members.agents)
    io.check(agent.pod_uid.empty() || agents.insert(agent.pod_uid).second, "agents",
             "expected each pod UID once, found " + quoted_for_people(agent.pod_uid) +
                 " again: remove one of the two");
  const auto known = [&](const std::vector<std::string>& uids, std::string_view list) {
    for (const std::string& uid : uids)
      io.check(agents.contains(uid), "queues",
               "expected pod UIDs of listed agents in " + std::string(list) + ", found " +
                   quoted_for_people(uid) + ": list that agent, or remove it here");
  };
  for (const MemberQueue& queue : members.queues) {
    io.check(queue.uid.empty() || queues.insert(queue.uid).second, "queues",
             "expected each queue UID once, found " + quoted_for_people(queue.uid) +
                 " again: remove one of the two");
    known(queue.served_by, "servedBy");
    known(queue.may_pull, "mayPull");
    known(queue.may_receive, "mayReceive");
  }
}
void check_references(YamlMapWriter&, const Members&) {}

template <typename Io>
void members_fields(Io& io, auto& members) {
  io.integer("schemaVersion", members.schema_version, {1, kMembersSchemaVersion});
  io.text("namespace", members.namespace_name, kNamespaceRule);
  io.list("agents", members.agents, kMembersAgentsMax,
          [](auto& in, auto& agent) { agent_fields(in, agent); });
  io.list("queues", members.queues, kPolicyQueuesMax,
          [](auto& in, auto& queue) { queue_fields(in, queue); });
  check_references(io, members);
}

}  // namespace

Result<Members> parse_members(std::string_view text, std::string_view file, UnknownKeys unknown) {
  return read_document<Members>(text, file, kMembersLimits, unknown, kMembersSchemaVersion,
                                [](YamlMap& io, Members& members) { members_fields(io, members); });
}

void sort(Members& members) {
  std::sort(members.agents.begin(), members.agents.end(),
            [](const MemberAgent& a, const MemberAgent& b) { return a.pod_uid < b.pod_uid; });
  for (MemberQueue& queue : members.queues)
    for (auto* list : {&queue.served_by, &queue.may_pull, &queue.may_receive})
      std::sort(list->begin(), list->end());
  std::sort(members.queues.begin(), members.queues.end(),
            [](const MemberQueue& a, const MemberQueue& b) { return a.uid < b.uid; });
}

std::string to_yaml(Members members) {
  sort(members);
  std::string text;
  YamlMapWriter io(text);
  members_fields(io, std::as_const(members));
  return text;
}

}  // namespace pannier
