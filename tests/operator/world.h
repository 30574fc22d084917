// World: a namespace with pods, queues and agents that a test plays, and the operator's parts.
//
// Owned by a test; one thread. Agents here do at once what their documents say when they look().
#pragma once

#include <gtest/gtest.h>

#include "operator/conditions.h"
#include "operator/queue_deletion.h"
#include "operator/reconcilers.h"
#include "operator/render_members.h"
#include "operator/render_policy.h"
#include "operator/status_message_queue.h"
#include "tests/operator/fake_api.h"
#include "tests/support/fake_clock.h"

namespace pannier {

inline constexpr const char* kShop = "shop";

// An agent as the operator sees it: what it serves and holds.
struct FakeAgent {
  struct Held {
    std::uint64_t generation = 0;
    std::uint64_t ready = 0;
    bool parked = false;
  };
  std::string pod_uid;
  std::string policy_version;
  std::string phase = "serving";
  std::map<std::string, Held> queues;  // by UID

  void take(const AgentDocuments& documents) {
    if (documents.policy_version == policy_version) return;
    const auto policy = parse_policy(documents.policy, "policy");
    ASSERT_TRUE(policy) << policy.error().detail;
    policy_version = documents.policy_version;
    for (const std::string& uid : policy->tombstones) queues.erase(uid);
    for (auto& [uid, held] : queues) held.parked = true;
    for (const PolicyQueue& each : policy->queues) {
      Held& held = queues[each.uid];
      held.generation = std::max(held.generation, each.generation);
      held.parked = false;
    }
  }
  AgentReport report() const {
    AgentReport report;
    report.pod_uid = pod_uid;
    report.spool_id = "3f2b8c1e-0000-4000-8000-000000000001";
    report.phase = phase;
    report.policy_version = policy_version;
    report.spool_bytes_max = 1'000;
    for (const auto& [uid, held] : queues) {
      ReportedQueue queue;
      queue.uid = uid;
      queue.generation = held.generation;
      queue.ready = held.ready;
      queue.bytes = held.ready * 10;
      report.queues.push_back(queue);
    }
    return report;
  }
};

class World {
 public:
  FakeClock clock;
  kube::Cache cache;
  FakeApi api{cache, clock};
  AgentReports reports{clock};
  DocumentBoard board;
  PasswordHashes hashes;
  ReconcileContext context{api,  cache, reports, board, hashes, [] { return std::string("PEM"); },
                           clock};
  std::map<std::string, FakeAgent> agents;  // by pod name

  static kube::Key queue_key(const std::string& name) { return {"MessageQueue", kShop, name}; }
  static kube::Key pod_key(const std::string& name) { return {"Pod", kShop, name}; }

  void add_queue(const std::string& name, kube::Json spec = kube::Json::object()) {
    api.put({{"apiVersion", "pannier.dev/v1alpha1"},
             {"kind", "MessageQueue"},
             {"metadata", {{"name", name}, {"namespace", kShop}}},
             {"spec", std::move(spec)}});
  }
  void add_pod(const std::string& name, const std::string& account = "default",
               const std::string& app = "shop") {
    const auto ip = "10.0.0." + std::to_string(++pods_);
    const auto pod =
        api.put({{"apiVersion", "v1"},
                 {"kind", "Pod"},
                 {"metadata",
                  {{"name", name},
                   {"namespace", kShop},
                   {"labels", {{"app", app}}},
                   {"annotations", {{"pannier.dev/injected", "default"}}}}},
                 {"spec",
                  {{"serviceAccountName", account},
                   {"containers", kube::Json::array({{{"name", "app"}, {"image", "app"}}})}}},
                 {"status",
                  {{"phase", "Running"},
                   {"podIP", ip},
                   {"startTime", timestamp_text(std::chrono::floor<std::chrono::seconds>(
                                     std::chrono::sys_time<std::chrono::milliseconds>(
                                         std::chrono::milliseconds(clock.now_ms()))))},
                   {"initContainerStatuses",
                    kube::Json::array(
                        {{{"name", "pannier-agent"}, {"started", true}, {"ready", true}}})}}}});
    FakeAgent& agent = agents[name];
    agent = {};
    agent.pod_uid = pod.metadata().uid;
  }
  void remove_pod(const std::string& name) {
    reports.forget(agents.at(name).pod_uid);
    agents.erase(name);
    api.kill(pod_key(name));
  }
  void begin_delete(const std::string& name) { ASSERT_TRUE(api.remove(queue_key(name), {})); }
  void annotate(const std::string& name, const std::string& key, const std::string& value) {
    api.change(queue_key(name),
               [&](kube::Json& json) { json["metadata"]["annotations"][key] = value; });
  }

  void render() { ASSERT_TRUE(reconcile_documents(context, kShop)); }
  void look(const std::string& pod) {  // it takes its documents, and reports
    FakeAgent& agent = agents.at(pod);
    if (const auto documents = board.find(agent.pod_uid)) agent.take(*documents);
    reports.put(agent.report());
  }
  void look_all() {
    for (const auto& [name, agent] : agents) look(name);
  }
  Result<Reconciled> reconcile(const std::string& queue) {
    return reconcile_message_queue(context, queue_key(queue));
  }
  // Until nothing changes any more, everybody awake but `asleep`.
  void settle(const std::set<std::string>& asleep = {}) {
    for (int round = 0; round < 6; ++round) {
      render();
      for (const auto& [name, agent] : agents)
        if (!asleep.contains(name)) look(name);
      for (const kube::Object& queue : cache.list("MessageQueue")) {
        const auto done = reconcile_message_queue(context, queue.key());
        ASSERT_TRUE(done) << done.error().detail;
      }
    }
  }

  bool exists(const std::string& queue) const { return api.find(queue_key(queue)).has_value(); }
  std::string uid(const std::string& queue) const {
    return api.find(queue_key(queue))->at("metadata").at("uid");
  }
  kube::Json status(const std::string& queue) const {
    return api.find(queue_key(queue))->value("status", kube::Json());
  }
  // "True NameTaken"
  std::string condition(const std::string& queue, std::string_view type) const {
    const kube::Json held = status(queue);
    const kube::Json& found = find_condition(held, type);
    if (!found.is_object()) return {};
    return found["status"].get<std::string>() + " " + found["reason"].get<std::string>();
  }
  std::string message(const std::string& queue, std::string_view type) const {
    const kube::Json held = status(queue);
    const kube::Json& found = find_condition(held, type);
    return found.is_object() ? found["message"].get<std::string>() : std::string();
  }
  NamespaceView view() { return view_namespace(cache, reports, hashes, kShop); }
  const AgentPod* agent_in(const NamespaceView& view, const std::string& pod) const {
    for (const AgentPod& each : view.agents)
      if (each.pod.metadata.name == pod) return &each;
    return nullptr;
  }
  Policy policy(const std::string& pod) {
    const auto documents = board.find(agents.at(pod).pod_uid);
    return documents ? *parse_policy(documents->policy, "policy") : Policy{};
  }
  Members members(const std::string& pod) {
    const auto documents = board.find(agents.at(pod).pod_uid);
    return documents ? *parse_members(documents->members, "members") : Members{};
  }

 private:
  int pods_ = 0;
};

}  // namespace pannier
