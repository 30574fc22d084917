// Reconcilers: what the operator does, one key at a time: from the objects as they are to what
// should be.
//
// Each is level-triggered: it looks at everything anew and trusts no event. Any thread, never the
// same key on two (WorkQueue sees to it). What they own is in the Context, which outlives them.
// Errors are tried again after a backoff; what a person has to mend becomes a condition instead.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/clock.h"
#include "operator/agent_report.h"
#include "operator/document_board.h"
#include "operator/kube/client.h"
#include "operator/namespace_view.h"

namespace pannier {

// When each queue's status was written last. Any thread; nothing survives the process, after which
// one status more is written.
class StatusPace {
 public:
  std::optional<Clock::time_point> last(const std::string& uid) const;
  void wrote(const std::string& uid, Clock::time_point at);
  void forget(const std::string& uid);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Clock::time_point> last_;
};

struct ReconcileContext {
  kube::Client& client;
  const kube::Cache& cache;
  const AgentReports& reports;
  DocumentBoard& documents;
  PasswordHashes& hashes;
  std::function<std::string()> trust_bundle;  // PEM
  const Clock& clock;
  // Counts alone are written this often; a condition that changes, at once.
  std::chrono::milliseconds status_interval = std::chrono::seconds{10};
  std::shared_ptr<StatusPace> pace = std::make_shared<StatusPace>();
};

struct Reconciled {
  std::optional<std::chrono::milliseconds> again_after;
};

// The documents of all agents of a namespace. Its key is {kDocumentsKind, namespace, ""}: to be
// added when one of the namespace's MessageQueues, users, Secrets or Pods changes, or a class, or
// the trust bundle, or what a report says of an agent's spool id or phase.
inline constexpr std::string_view kDocumentsKind = "Documents";
Result<Reconciled> reconcile_documents(ReconcileContext& context,
                                       const std::string& namespace_name);

// Finalizer, status and deletion. It asks to come again after status_interval in any case, since a
// report that grows old is no event. What a deletion waits for (an ack of the discard by every
// agent) is read from the reports: an agent that is silent is waited for, unless annotation
// pannier.dev/discard holds the object's UID.
Result<Reconciled> reconcile_message_queue(ReconcileContext& context, const kube::Key& key);

// Makes the user's Secret where there is none; status: Ready, or why not.
Result<Reconciled> reconcile_message_queue_user(ReconcileContext& context, const kube::Key& key);

// Status: how many agents use it, and whether it is the default.
Result<Reconciled> reconcile_agent_class(ReconcileContext& context, const kube::Key& key);

}  // namespace pannier
