// Agents and MessageQueues as pannierctl sees them, for tests: one agent answers, one is silent.
//
// Values made by pure functions; owned by the test, on its thread.
#pragma once

#include "cli/view.h"

namespace pannier::cli {

inline Agent agent_of(const std::string& pod, const std::string& queues) {
  Agent agent;
  agent.namespace_name = "shop";
  agent.pod = pod;
  agent.uid = pod + "-uid";
  agent.object = PodObject{"shop", pod, agent.uid, {{"app", pod}}, "Running", "127.0.0.2", {}, {}};
  agent.status = parse_agent_status(
      R"({"phase": "serving", "version": "0.1.0", "confirmed": 9, "spool": {"bytes": 1536,
          "max": 1073741824}, "queues": [)" +
      queues + "]}");
  return agent;
}

inline Agent silent_agent(const std::string& pod) {
  Agent agent = agent_of(pod, "");
  agent.status.reset();
  agent.why_silent = "nobody listens";
  return agent;
}

inline QueueObject object_of(const std::string& name, const std::string& ready = "True") {
  QueueObject object;
  object.namespace_name = "shop";
  object.name = object.queue_name = name;
  object.uid = name + "-uid";
  object.agents_desired = object.agents_up_to_date = 2;
  object.conditions = {{"Ready", ready, ready == "True" ? "AllUpToDate" : "NameTaken", "", {}}};
  return object;
}

inline View view_of(std::vector<Agent> agents, std::vector<QueueObject> objects) {
  View view;
  view.is_local = true;
  view.place = "/demo";
  view.agents = std::move(agents);
  view.objects = std::move(objects);
  return view;
}

constexpr const char* kSevenOrders =
    R"({"name": "orders", "uid": "orders-uid", "ready": 7, "unacked": 1, "durability": "Disk",
        "oldestMessageTime": "2026-11-22T10:00:00.000Z"})";
constexpr const char* kThirtyOrders =
    R"({"name": "orders", "uid": "orders-uid", "ready": 30, "unacked": 2,
        "oldestMessageTime": "2026-11-22T09:59:00.000Z"})";

}  // namespace pannier::cli
