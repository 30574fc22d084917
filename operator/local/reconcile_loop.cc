#include "operator/local/reconcile_loop.h"

#include <nlohmann/json.hpp>

#include "common/log.h"

namespace pannier::local {
namespace {

using kube::Key;
using kube::Object;

constexpr std::string_view kQueue = api::kMessageQueueKind;
constexpr std::string_view kUser = api::kMessageQueueUserKind;

Key documents_of(const std::string& namespace_name) {
  return {std::string(kDocumentsKind), namespace_name, {}};
}

// It has come, gone, or is meant to be something else; not just another status.
bool is_meant_otherwise(const kube::Cache::Change& change) {
  if (!change.before || !change.after) return true;
  const kube::Metadata& before = change.before->metadata();
  const kube::Metadata& after = change.after->metadata();
  return before.uid != after.uid || before.generation != after.generation ||
         before.labels != after.labels || before.annotations != after.annotations;
}

std::string facts_of(const AgentReport& report) {
  return report.spool_id + " " + report.phase + " " + report.version;
}

std::string counts_of(const AgentReport& report) {
  std::string text = report.policy_version + " " + report.members_version + " " +
                     std::to_string(report.spool_bytes) + (report.is_spool_full ? " full" : "");
  for (const ReportedQueue& queue : report.queues) {
    text += "\n" + queue.uid + " " + queue.durability;
    for (const std::uint64_t number : {queue.generation, queue.ready, queue.unacked, queue.delayed,
                                       queue.bytes, queue.consumers, queue.lost})
      text += " " + std::to_string(number);
    if (queue.oldest) text += " " + timestamp_text(*queue.oldest);
  }
  for (const ReportedLink& link : report.links)
    text += "\n" + link.peer + " " + std::to_string(link.lag);
  return text;
}

}  // namespace

ReconcileLoop::ReconcileLoop(kube::Cache& cache, AgentReports& reports)
    : cache_(cache), reports_(reports) {
  cache_.listen([this](const kube::Cache::Change& change) { on_change(change); });
}

ReconcileLoop::~ReconcileLoop() { end(); }

void ReconcileLoop::begin(ReconcileContext context) {
  context_.emplace(std::move(context));
  thread_ = std::thread([this] { work(); });
}

void ReconcileLoop::end() {
  queue_.stop();
  if (thread_.joinable()) thread_.join();
}

void ReconcileLoop::add_all(std::string_view kind) {
  for (const Object& object : cache_.list(kind)) queue_.add(object.key());
}

void ReconcileLoop::add_all(std::string_view kind, const std::string& namespace_name) {
  for (const Object& object : cache_.list(kind, namespace_name)) queue_.add(object.key());
}

void ReconcileLoop::add_documents() {
  for (const Object& pod : cache_.list(api::kPodKind))
    queue_.add(documents_of(pod.metadata().namespace_name));
}

// A queue's status is in documents too (it says whether messages may go); a change of it alone is
// nobody else's business.
void ReconcileLoop::on_change(const kube::Cache::Change& change) {
  const Object& object = change.object();
  const std::string& kind = object.kind();
  const std::string& of = object.metadata().namespace_name;
  const bool is_other = is_meant_otherwise(change);
  if (kind == kQueue) {
    queue_.add(documents_of(of));
    is_other ? add_all(kQueue, of) : queue_.add(object.key());
    if (!change.after) queue_.add(object.key());
  } else if (kind == kUser || kind == api::kSecretKind) {
    if (kind == kUser) queue_.add(object.key());
    if (!is_other && kind == kUser) return;
    queue_.add(documents_of(of));
    add_all(kUser, of);
  } else if (kind == api::kPodKind) {
    if (!change.after) {
      const std::lock_guard lock(mutex_);
      seen_.erase(object.metadata().uid);
    }
    queue_.add(documents_of(of));
    add_all(kQueue, of);
    add_all(api::kAgentClassKind);
  } else if (kind == api::kAgentClassKind) {
    queue_.add(object.key());
    if (!is_other) return;
    add_all(api::kAgentClassKind);
    add_documents();
  } else if (kind == api::kNamespaceKind) {
    const std::string& name = object.metadata().name;
    queue_.add(documents_of(name));
    add_all(kQueue, name);
  }
}

void ReconcileLoop::on_report(AgentReport report) {
  const std::string facts = facts_of(report), counts = counts_of(report);
  const std::string uid = report.pod_uid;
  reports_.put(std::move(report));
  bool has_facts = false, has_counts = false;
  {
    const std::lock_guard lock(mutex_);
    Seen& seen = seen_[uid];
    has_facts = seen.facts != facts;
    has_counts = seen.counts != counts;
    seen = {facts, counts};
  }
  if (!has_facts && !has_counts) return;
  for (const Object& pod : cache_.list(api::kPodKind)) {
    if (pod.metadata().uid != uid) continue;
    if (has_facts) queue_.add(documents_of(pod.metadata().namespace_name));
    add_all(kQueue, pod.metadata().namespace_name);
  }
}

void ReconcileLoop::work() {
  while (const auto key = queue_.take()) {
    work_on(*key);
    queue_.done(*key);
  }
}

void ReconcileLoop::work_on(const Key& key) {
  Result<Reconciled> done{Reconciled{}};
  if (key.kind == kDocumentsKind)
    done = reconcile_documents(*context_, key.namespace_name);
  else if (key.kind == kQueue)
    done = reconcile_message_queue(*context_, key);
  else if (key.kind == kUser)
    done = reconcile_message_queue_user(*context_, key);
  else if (key.kind == api::kAgentClassKind)
    done = reconcile_agent_class(*context_, key);
  static log::RateLimit limit(5);
  if (!done) {
    queue_.add_after_failure(key);
    if (done.error().code !=
        Errc::precondition)  // it has changed meanwhile: the next time is right
      log::warn(limit, "cannot reconcile yet",
                {{"key", to_text(key)}, {"error", done.error().detail}});
    return;
  }
  queue_.forget(key);
  if (done->again_after) queue_.add_after(key, *done->again_after);
}

}  // namespace pannier::local
