#include "operator/status_message_queue.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/conditions.h"
#include "operator/dead_letter_place.h"
#include "operator/queue_deletion.h"

namespace pannier {
namespace {

using enum ConditionStatus;
using Names = std::vector<std::string>;

constexpr double kStalledSeconds = 60;
constexpr double kPressureShare = 0.85;

// What the agents of one queue are and say.
struct Facts {
  Names desired, not_ready, silent, behind;  // of those that serve it and are there to stay
  std::size_t up_to_date = 0;
  Names serving_silent;  // those that go away included
  Names spool_dies, stalled, pressed;
  bool is_any_fresh = false;  // of those that serve it
  bool is_counted = false;    // somebody's report is fresh
  Names lost, parked;
  std::uint64_t messages_lost = 0;
  std::uint64_t ready = 0, unacked = 0, delayed = 0, bytes = 0;
  std::optional<Timestamp> oldest;
};

void add_counts(Facts& facts, const AgentPod& agent, const ReportedQueue& reported,
                bool is_served) {
  facts.ready = added(facts.ready, reported.ready);
  facts.unacked = added(facts.unacked, reported.unacked);
  facts.delayed = added(facts.delayed, reported.delayed);
  facts.bytes = added(facts.bytes, reported.bytes);
  if (reported.oldest && (!facts.oldest || *reported.oldest < *facts.oldest))
    facts.oldest = reported.oldest;
  facts.messages_lost = added(facts.messages_lost, reported.lost);
  const std::string& name = agent.pod.metadata.name;
  if (reported.lost > 0) facts.lost.push_back(name);
  if (!is_served && messages_of(reported) > 0) facts.parked.push_back(name);
}

bool is_pressed(const AgentReport& report) {
  const auto used = static_cast<double>(report.spool_bytes);
  const auto max = static_cast<double>(report.spool_bytes_max);
  return report.is_spool_full || (max > 0 && used > max * kPressureShare);
}

void add_serving(Facts& facts, const AgentPod& agent, const ViewedQueue& queue) {
  const std::string& name = agent.pod.metadata.name;
  const bool is_durable = agent.agent_class && agent.agent_class->spec.spool.is_claim;
  if (!is_durable) facts.spool_dies.push_back(name);
  if (agent.report) {
    facts.is_any_fresh = true;
    if (is_pressed(*agent.report)) facts.pressed.push_back(name);
    if (std::ranges::any_of(agent.report->links, [](const ReportedLink& link) {
          return link.oldest_age_seconds > kStalledSeconds;
        }))
      facts.stalled.push_back(name);
  } else if (agent.pod.status.is_agent_ready) {
    facts.serving_silent.push_back(name);
  }
  if (agent.is_draining()) return;
  facts.desired.push_back(name);
  if (!agent.pod.status.is_agent_ready) facts.not_ready.push_back(name);
  const kube::Metadata& metadata = queue.queue.metadata;
  const ReportedQueue* const reported = agent.report ? agent.report->find(metadata.uid) : nullptr;
  if (reported != nullptr && reported->generation >= metadata.generation)
    ++facts.up_to_date;
  else if (agent.report)
    facts.behind.push_back(name);
  else if (agent.pod.status.is_agent_ready)
    facts.silent.push_back(name);
}

Facts facts_of(const NamespaceView& view, const ViewedQueue& queue) {
  Facts facts;
  for (const AgentPod& agent : view.agents) {
    const bool is_served = serves(agent, queue);
    if (is_served) add_serving(facts, agent, queue);
    if (!agent.report) continue;
    facts.is_counted = true;
    if (const auto* reported = agent.report->find(queue.queue.metadata.uid))
      add_counts(facts, agent, *reported, is_served);
  }
  return facts;
}

std::string taken_message(const ViewedQueue& queue) {
  return "the queue name \"" + queue.queue.queue_name() + "\" belongs to MessageQueue " +
         queue.name_taken_by + ", which is older: delete this one, or give it another queueName";
}

Condition ready_of(const Facts& facts, const ViewedQueue& queue, Deletion deletion) {
  constexpr std::string_view kType = "Ready";
  // Somebody has to mend it, or the release that knows it has to come back.
  if (!queue.problem.empty())
    return {kType, is_false, "SpecNotUnderstood",
            "this release cannot read it, and agents keep its messages parked: " + queue.problem};
  if (queue.is_name_taken) return {kType, is_false, "NameTaken", taken_message(queue)};
  if (deletion != Deletion::none)
    return {kType, is_false, "Terminating", "it is being deleted: publishes are refused"};
  if (facts.desired.empty())
    return {kType, is_false, "NoAgents",
            "no injected pod of the namespace is selected by spec.agents"};
  if (!facts.not_ready.empty())
    return {kType, is_false, "AgentsNotReady",
            "agents that have not started: " + listed(facts.not_ready)};
  if (!facts.silent.empty())
    return {kType, unknown, "AgentsSilent", "agents that do not answer: " + listed(facts.silent)};
  if (!facts.behind.empty())
    return {kType, is_false, "AgentsNotUpToDate",
            "agents that do not have this generation yet: " + listed(facts.behind)};
  return {kType, is_true, "AllAgentsUpToDate", "every agent serves this generation"};
}

Condition progressing_of(const Facts& facts, const ViewedQueue& queue, Deletion deletion) {
  constexpr std::string_view kType = "Progressing";
  if (deletion != Deletion::none) return {kType, is_true, "Terminating", "it is being deleted"};
  if (queue.is_name_taken) return {kType, is_false, "NameTaken", "it waits for its name"};
  Names waiting = facts.not_ready;
  waiting.insert(waiting.end(), facts.behind.begin(), facts.behind.end());
  std::ranges::sort(waiting);
  waiting.erase(std::unique(waiting.begin(), waiting.end()), waiting.end());
  if (!waiting.empty())
    return {kType, is_true, "WaitingForAgents",
            "agents that do not serve this generation yet: " + listed(waiting)};
  if (!facts.silent.empty())
    return {kType, unknown, "AgentsSilent", "agents that do not answer: " + listed(facts.silent)};
  return {kType, is_false, "Settled", "nothing is left to do"};
}

Condition degraded_of(const Facts& facts, const NamespaceView& view, const ViewedQueue& queue) {
  constexpr std::string_view kType = "Degraded";
  if (!facts.lost.empty())
    return {kType, is_true, "MessagesLost",
            std::to_string(facts.messages_lost) +
                " messages are damaged on the disks of: " + listed(facts.lost)};
  if (queue.is_name_taken) return {kType, is_true, "NameTaken", taken_message(queue)};
  if (!facts.serving_silent.empty())
    return {kType, is_true, "AgentsSilent",
            "agents that do not answer: " + listed(facts.serving_silent)};
  if (std::string problem = dead_letter_problem(view, queue); !problem.empty())
    return {kType, is_true, "DeadLetterTargetMissing", std::move(problem)};
  if (!facts.parked.empty() && !queue.is_discarding)
    return {kType, is_true, "MessagesParked",
            "agents that do not serve it any more and still keep messages: " +
                listed(facts.parked) + "; select their pods again to get at them"};
  return {kType, is_false, "AsExpected", "nothing is wrong"};
}

Condition durable_of(const Facts& facts, const ViewedQueue& queue, bool is_served) {
  constexpr std::string_view kType = "Durable";
  if (queue.queue.spec.durability == Durability::memory)
    return {kType, is_false, "MemoryOnly", "messages are lost with the agent's process"};
  if (!is_served) return {kType, unknown, "NoAgents", "no agent serves it"};
  if (!facts.spool_dies.empty())
    return {kType, is_false, "SpoolDiesWithPod",
            "the spool is an emptyDir, which goes with its pod, on: " + listed(facts.spool_dies)};
  return {kType, is_true, "SpoolOutlivesPod", "every spool is on a claim"};
}

// What only fresh reports tell: False takes one at least, and nobody silent.
Condition reported_of(std::string_view type, const Facts& facts, bool is_served,
                      const Names& affected, std::string_view reason, std::string_view what,
                      std::string_view fine) {
  if (!affected.empty()) return {type, is_true, reason, std::string(what) + listed(affected)};
  if (!facts.serving_silent.empty())
    return {type, unknown, "AgentsSilent",
            "agents that do not answer: " + listed(facts.serving_silent)};
  if (is_served && !facts.is_any_fresh)
    return {type, unknown, "NotReportedYet", "no agent has reported yet"};
  return {type, is_false, fine, "nothing is wrong"};
}

Condition stalled_of(const Facts& facts, const ViewedQueue& queue, bool is_served) {
  constexpr std::string_view kType = "ForwardStalled";
  if (queue.queue.spec.forward_mode == ForwardMode::local)
    return {kType, is_false, "NotForwarded", "a queue of mode Local stays where it is"};
  return reported_of(kType, facts, is_served, facts.stalled, "LinksStalled",
                     "links have not moved what waits for over 60 s on: ", "LinksMoving");
}

Condition terminating_of(const NamespaceView& view, const ViewedQueue& queue, Deletion deletion) {
  constexpr std::string_view kType = "Terminating";
  const auto any = [](const AgentPod&) { return true; };
  const bool is_waiting = deletion == Deletion::waiting_until_empty;
  const DeletionWait wait =
      is_waiting ? wait_until_empty(view, queue, any) : wait_until_discarded(view, queue, any);
  std::string message = is_waiting ? "consumers may take what is left" : "its messages are removed";
  const auto say = [&message](const Names& names, std::string_view what) {
    if (!names.empty()) message += "; " + std::string(what) + ": " + listed(names);
  };
  if (wait.messages > 0) message += "; " + std::to_string(wait.messages) + " messages are left";
  say(wait.holding, is_waiting ? "agents that hold some" : "agents that still have the queue");
  say(wait.behind, "agents that do not know yet");
  say(wait.silent, "agents that do not answer, and may hold messages");
  const bool may_help = is_waiting || !wait.silent.empty();
  if (may_help && !may_discard(queue.queue))
    message += "; to lose what is left, annotate it with " + std::string(api::kDiscardAnnotation) +
               ": " + queue.queue.metadata.uid;
  return {kType, is_true, is_waiting ? "WaitingUntilEmpty" : "Discarding", std::move(message)};
}

kube::Json counts_json(const Facts& facts) {
  return {{"ready", facts.ready},
          {"unacked", facts.unacked},
          {"delayed", facts.delayed},
          {"bytes", facts.bytes}};
}

// Of what was discarded the last numbers stay; and with everybody silent, the last that were known.
void put_counts(kube::Json& status, const Facts& facts, Deletion deletion,
                const kube::Json& before) {
  const bool is_frozen = deletion == Deletion::discarding && is_discarding(before);
  if (facts.is_counted && !is_frozen) {
    status["messages"] = counts_json(facts);
    if (facts.oldest) status["oldestMessageTime"] = timestamp_text(*facts.oldest);
    return;
  }
  if (!before.is_object()) return;
  for (const char* const key : {"messages", "oldestMessageTime"})
    if (const auto held = before.find(key); held != before.end()) status[key] = *held;
}

}  // namespace

bool is_discarding(const kube::Json& before) {
  const kube::Json& condition = find_condition(before, "Terminating");
  return condition.is_object() && condition.value("status", kube::Json()) == "True" &&
         condition.value("reason", kube::Json()) == "Discarding";
}

kube::Json status_of(const NamespaceView& view, const ViewedQueue& queue, Deletion deletion,
                     const kube::Json& before, Timestamp now) {
  const Facts facts = facts_of(view, queue);
  const bool is_served =
      std::ranges::any_of(view.agents, [&](const AgentPod& agent) { return serves(agent, queue); });
  const std::uint64_t generation = queue.queue.metadata.generation;
  kube::Json status = {{"observedGeneration", generation},
                       {"agents",
                        {{"desired", facts.desired.size()},
                         {"ready", facts.desired.size() - facts.not_ready.size()},
                         {"upToDate", facts.up_to_date}}}};
  put_counts(status, facts, deletion, before);
  std::vector<Condition> conditions = {ready_of(facts, queue, deletion)};
  if (!queue.problem.empty()) {  // what depends on its spec cannot be said
    if (deletion != Deletion::none) conditions.push_back(terminating_of(view, queue, deletion));
    status["conditions"] = conditions_json(conditions, before, generation, now);
    return status;
  }
  conditions = {
      ready_of(facts, queue, deletion),
      progressing_of(facts, queue, deletion),
      degraded_of(facts, view, queue),
      durable_of(facts, queue, is_served),
      stalled_of(facts, queue, is_served),
      reported_of("SpoolPressure", facts, is_served, facts.pressed, "SpoolNearlyFull",
                  "the spool is full, or over 85 % of its limit, on: ", "SpoolHasRoom"),
  };
  if (deletion != Deletion::none) conditions.push_back(terminating_of(view, queue, deletion));
  status["conditions"] = conditions_json(conditions, before, generation, now);
  return status;
}

}  // namespace pannier
