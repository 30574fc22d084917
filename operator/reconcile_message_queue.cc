#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/conditions.h"
#include "operator/queue_deletion.h"
#include "operator/reconcilers.h"
#include "operator/status_message_queue.h"

namespace pannier {
namespace {

constexpr std::chrono::seconds kDeletionLook{1};
constexpr std::chrono::seconds kStartLook{1};  // until everybody has been asked once

// Without what a report changes from one moment to the next: numbers, and texts that name them.
kube::Json lasting_part(const kube::Json& status) {
  if (!status.is_object()) return nullptr;
  kube::Json lasting = {{"observedGeneration", status.value("observedGeneration", kube::Json())}};
  const auto conditions = status.find("conditions");
  if (conditions == status.end() || !conditions->is_array()) return lasting;
  for (const kube::Json& each : *conditions)
    if (each.is_object())
      lasting["conditions"].push_back(
          {each.value("type", kube::Json()), each.value("status", kube::Json()),
           each.value("reason", kube::Json()), each.value("observedGeneration", kube::Json())});
  return lasting;
}

// Again after the time that is left where it is too early for news that can wait.
Result<Reconciled> write_status(ReconcileContext& context, const kube::Object& object,
                                const kube::Json& status) {
  const kube::Json& before = object.status();
  if (status == before) return Reconciled{context.status_interval};
  const std::string& uid = object.metadata().uid;
  const auto now = context.clock.now();
  const auto last = context.pace->last(uid);
  if (last && lasting_part(status) == lasting_part(before) && now - *last < context.status_interval)
    return Reconciled{
        std::chrono::ceil<std::chrono::milliseconds>(*last + context.status_interval - now)};
  if (auto written = context.client.put_status(object.key(), status); !written)
    return written.error();
  context.pace->wrote(uid, now);
  return Reconciled{context.status_interval};
}

Result<Reconciled> let_go(ReconcileContext& context, const kube::Object& object,
                          const std::string& event_note) {
  std::vector<std::string> others = object.metadata().finalizers;
  std::erase(others, api::kQueueFinalizer);
  auto put = context.client.put_finalizers(object, others);
  if (!put && put.error().code != Errc::not_found) return put.error();
  context.pace->forget(object.metadata().uid);
  if (put && !event_note.empty())
    context.client.record({object.key(), object.metadata().uid, kube::Event::Type::warning,
                           "MessagesDiscarded", event_note});
  return Reconciled{};
}

std::uint64_t kept_messages(const kube::Json& status) {
  std::uint64_t messages = 0;
  if (!status.is_object() || !status.contains("messages")) return 0;
  const kube::Json& counts = status["messages"];
  for (const char* const key : {"ready", "unacked", "delayed"})
    if (counts.is_object() && counts.contains(key) && counts[key].is_number_unsigned())
      messages = added(messages, counts[key].get<std::uint64_t>());
  return messages;
}

std::string discarded_note(std::uint64_t messages, const std::vector<std::string>& silent,
                           std::string_view why) {
  if (messages == 0 && silent.empty()) return {};
  std::string note(why);
  note += ": " + std::to_string(messages) + " messages were discarded";
  if (!silent.empty())
    note += "; what agents hold that do not answer is not counted: " + listed(silent);
  return note.substr(0, 1'000);
}

bool is_namespace_ending(const kube::Cache& cache, const std::string& name) {
  const auto object = cache.find({std::string(api::kNamespaceKind), {}, name});
  return object && object->metadata().is_ending();
}

class QueueDeletion {
 public:
  QueueDeletion(ReconcileContext& context, const kube::Object& object, const NamespaceView& view,
                const ViewedQueue& queue)
      : context_(context), object_(object), view_(view), queue_(queue) {}

  Result<Reconciled> reconcile();

 private:
  Deletion step() const;
  bool has_policy(const AgentPod& agent) const;
  bool is_reported() const;

  ReconcileContext& context_;
  const kube::Object& object_;
  const NamespaceView& view_;
  const ViewedQueue& queue_;
  const HasPolicy has_policy_ = [this](const AgentPod& agent) { return has_policy(agent); };
};

// By what the document on the board says of this very queue: the board may not have heard of the
// object's last change, and a report of an older document says nothing.
bool QueueDeletion::has_policy(const AgentPod& agent) const {
  const auto given = context_.documents.find_policy(agent.uid());
  if (!agent.report || !given || !given->contents || agent.report->policy_version != given->version)
    return false;
  const kube::Metadata& metadata = queue_.queue.metadata;
  if (queue_.is_discarding) return given->contents->tombstones.contains(metadata.uid);
  const auto served = given->contents->served.find(metadata.uid);
  if (!serves(agent, queue_)) return served == given->contents->served.end();
  return served != given->contents->served.end() &&
         served->second == std::max<std::uint64_t>(1, metadata.generation);
}

bool QueueDeletion::is_reported() const {
  return std::ranges::any_of(view_.agents, [this](const AgentPod& agent) {
    return agent.report && agent.report->find(queue_.queue.metadata.uid) != nullptr;
  });
}

// Once discarding, always: agents have begun to remove messages.
Deletion QueueDeletion::step() const {
  // What its spec says of that is not known, nor who else may hold some: a person has to say it.
  if (!queue_.problem.empty() && !queue_.is_discarding && !may_discard(queue_.queue))
    return Deletion::waiting_until_empty;
  const bool is_at_once = queue_.is_discarding || may_discard(queue_.queue) ||
                          queue_.queue.spec.deletion_policy == DeletionPolicy::delete_at_once;
  if (is_at_once || wait_until_empty(view_, queue_, has_policy_).is_over())
    return Deletion::discarding;
  return Deletion::waiting_until_empty;
}

Result<Reconciled> QueueDeletion::reconcile() {
  const kube::Json& before = object_.status();
  const DeletionWait left = wait_until_discarded(view_, queue_, has_policy_);
  if (is_namespace_ending(context_.cache, view_.name))
    return let_go(context_, object_,
                  discarded_note(queue_.is_discarding ? kept_messages(before) : left.messages,
                                 left.silent, "the namespace is being deleted"));
  // It never had an agent: nobody holds anything of it. Those who do not answer might: two objects
  // of one second change places by their names.
  if (queue_.is_name_taken && !queue_.is_discarding && !is_reported() && left.silent.empty() &&
      left.behind.empty())
    return let_go(context_, object_, {});
  if (queue_.is_discarding && left.is_over(may_discard(queue_.queue)))
    return let_go(context_, object_,
                  discarded_note(kept_messages(before), left.silent, "the queue is deleted"));
  auto written = write_status(context_, object_,
                              status_of(view_, queue_, step(), before, wall_time(context_.clock)));
  if (!written) return written.error();
  return Reconciled{std::min<std::chrono::milliseconds>(*written->again_after, kDeletionLook)};
}

}  // namespace

namespace {

// An operator that has just begun has asked nobody yet. What its predecessor wrote of this very
// generation still holds: an alert for each of its restarts would be a lie.
bool must_hear_first(const ReconcileContext& context, const kube::Object& object,
                     const NamespaceView& view, const ViewedQueue& queue) {
  const kube::Json& before = object.status();
  if (!before.is_object() ||
      before.value("observedGeneration", kube::Json()) != object.metadata().generation)
    return false;
  return std::ranges::any_of(view.agents, [&](const AgentPod& agent) {
    return agent.pod.status.is_agent_ready && serves(agent, queue) &&
           context.reports.is_yet_to_report(agent.uid(), agent.pod.status.started_at);
  });
}

}  // namespace

std::optional<Clock::time_point> StatusPace::last(const std::string& uid) const {
  const std::lock_guard lock(mutex_);
  const auto found = last_.find(uid);
  if (found == last_.end()) return std::nullopt;
  return found->second;
}

void StatusPace::wrote(const std::string& uid, Clock::time_point at) {
  const std::lock_guard lock(mutex_);
  last_[uid] = at;
}

void StatusPace::forget(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  last_.erase(uid);
}

Result<Reconciled> reconcile_message_queue(ReconcileContext& context, const kube::Key& key) {
  const auto object = context.cache.find(key);
  if (!object) return Reconciled{};
  const kube::Metadata& metadata = object->metadata();
  const bool is_ours = metadata.has_finalizer(api::kQueueFinalizer);
  if (metadata.is_ending() && !is_ours) return Reconciled{};
  if (!is_ours) {
    // Before agents hear of it: from then on it may not go without us. Its change brings us back.
    std::vector<std::string> finalizers = metadata.finalizers;
    finalizers.emplace_back(api::kQueueFinalizer);
    auto put = context.client.put_finalizers(*object, finalizers);
    if (!put && put.error().code != Errc::not_found) return put.error();
    return Reconciled{context.status_interval};
  }
  const NamespaceView view =
      view_namespace(context.cache, context.reports, context.hashes, key.namespace_name);
  const ViewedQueue* const queue = view.find_queue(key.name);
  // Without a UID, or the cache has moved on meanwhile: what it holds now comes by itself.
  if (queue == nullptr || queue->queue.metadata.uid != metadata.uid)
    return Reconciled{context.status_interval};
  if (metadata.is_ending()) return QueueDeletion(context, *object, view, *queue).reconcile();
  if (must_hear_first(context, *object, view, *queue)) return Reconciled{kStartLook};
  return write_status(
      context, *object,
      status_of(view, *queue, Deletion::none, object->status(), wall_time(context.clock)));
}

}  // namespace pannier
