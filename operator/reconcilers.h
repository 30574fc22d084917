// Reconcilers: what the operator does, one key at a time: from the objects as they are to what
// should be.
//
// Each is level-triggered: it looks at everything anew and trusts no event. Any thread, never the
// same key on two (WorkQueue sees to it). What they own is in the Context, which outlives them.
// Errors are tried again after a backoff; what a person has to mend becomes a condition instead.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "common/clock.h"
#include "operator/agent_report.h"
#include "operator/document_board.h"
#include "operator/kube/client.h"
#include "operator/namespace_view.h"

namespace pannier {

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
};

struct Reconciled {
  std::optional<std::chrono::milliseconds> again_after;
};

// The documents of all agents of a namespace. Its key is {kDocumentsKind, namespace, ""}.
inline constexpr std::string_view kDocumentsKind = "Documents";
Result<Reconciled> reconcile_documents(ReconcileContext& context,
                                       const std::string& namespace_name);

// Finalizer, status and deletion. What it waits for (an ack of the discard by every agent) is read
// from the reports: an agent that is silent is waited for, unless annotation pannier.dev/discard
// holds the object's UID.
Result<Reconciled> reconcile_message_queue(ReconcileContext& context, const kube::Key& key);

// Makes the user's Secret where there is none; status: Ready, or why not.
Result<Reconciled> reconcile_message_queue_user(ReconcileContext& context, const kube::Key& key);

// Status: how many agents use it, and whether it is the default.
Result<Reconciled> reconcile_agent_class(ReconcileContext& context, const kube::Key& key);

}  // namespace pannier
