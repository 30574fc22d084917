// NamespaceView: everything of one namespace that documents and statuses are made of, read once.
//
// A value, gathered from a Cache and the agents' reports; everything that renders from it is pure.
// Objects that cannot be read (they come from another release, or around the CRD's rules) are named
// in `problems`: a user is left out; a queue keeps its name, and is nobody's; a pod gets no new
// documents, and its agent counts as silent.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/agent_report.h"
#include "operator/api/agent_class.h"
#include "operator/api/message_queue.h"
#include "operator/api/message_queue_user.h"
#include "operator/api/pod.h"
#include "operator/kube/cache.h"

namespace pannier {

// An injected pod that is not over: whose agent runs, or will.
struct AgentPod {
  api::Pod pod;
  std::optional<api::AgentClass> agent_class;  // none: it is gone
  std::shared_ptr<const AgentReport> report;   // none: it is silent
  // What it said last, however long ago: documents must not change because somebody is silent.
  std::string spool_id;
  bool says_it_drains = false;
  std::uint16_t peer_port = 7671;
  std::uint16_t admin_port = 9471;

  const std::string& uid() const { return pod.metadata.uid; }
  // It goes away: the pod's deletion has begun, or the agent says so itself.
  bool is_draining() const;
};

struct ViewedQueue {
  api::MessageQueue queue;     // with `problem`: its metadata and its name alone
  bool is_name_taken = false;  // by an older MessageQueue of the same queue name
  std::string name_taken_by;
  bool is_discarding = false;  // its messages may go: it is in documents as a tombstone
  // It has our finalizer, or had it once: it cannot go without us, as it could before.
  bool is_held = true;
  std::string problem{};  // why it cannot be read
};

struct ViewedUser {
  api::MessageQueueUser user;
  std::string password;       // from its Secret; empty: there is none yet
  std::string password_hash;  // of that, with a salt that depends on the user alone
};

struct NamespaceView {
  std::string name;
  std::vector<ViewedQueue> queues;             // by creation, the oldest first
  std::vector<AgentPod> agents;                // by UID
  std::vector<std::string> unreadable_agents;  // names of injected pods that cannot be read
  std::vector<ViewedUser> users;               // by name
  std::vector<std::string> problems;

  const ViewedQueue* find_queue(std::string_view object_name) const;
};

// Whether the agent of that pod has this queue in its policy (a queue that is being discarded, one
// whose name is taken, and one that has no finalizer yet, are nobody's).
bool serves(const AgentPod& agent, const ViewedQueue& queue);
// Whether a ServiceAccount may, by the queue's access rules.
bool may(const api::MessageQueueSpec& spec, std::string_view service_account, Verb verb);

// Hashes of passwords cost tens of milliseconds each: kept by user UID and password.
class PasswordHashes {
 public:
  std::string hash_of(const std::string& user_uid, const std::string& password);

 private:
  struct Kept {
    std::string password_digest;  // keyed with a secret of this process
    std::string hash;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;
};

NamespaceView view_namespace(const kube::Cache& cache, const AgentReports& reports,
                             PasswordHashes& hashes, const std::string& namespace_name);

}  // namespace pannier
