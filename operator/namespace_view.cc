#include "operator/namespace_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/members.h"
#include "operator/status_message_queue.h"
#include "operator/user_secret.h"

namespace pannier {
namespace {

// What one policy may hold; more would make a document that no agent reads.
constexpr std::size_t kUsersMax = 1'000;

// What documents call things by: one that is none would make the whole document unreadable.
bool is_uid(std::string_view text) {
  return !text.empty() && text.size() <= kUidRule.bytes_max && is_identifier(text);
}

void note(NamespaceView& view, const kube::Object& object, const std::string& problem) {
  view.problems.push_back(to_text(object.key()) + ": " + problem);
}

std::optional<api::AgentClass> class_of(const kube::Cache& cache, const api::Pod& pod) {
  const std::string name(pod.metadata.annotation(api::kInjectedAnnotation));
  if (const auto object = cache.find({std::string(api::kAgentClassKind), {}, name})) {
    if (const auto read = object->read_by(api::read_agent_class); *read) return **read;
    return std::nullopt;
  }
  if (name != api::kDefaultClassName) return std::nullopt;
  api::AgentClass built_in;
  built_in.metadata.name = name;
  return built_in;
}

// Its agent runs, whatever we can read of the pod: it may hold messages.
void note_unreadable(NamespaceView& view, const kube::Object& object, const std::string& problem) {
  note(view, object, problem);
  const kube::Json& phase =
      object.status().is_object() ? object.status().value("phase", kube::Json()) : kube::Json();
  const bool is_over = phase == "Succeeded" || phase == "Failed";
  if (!is_over && !object.metadata().annotation(api::kInjectedAnnotation).empty())
    view.unreadable_agents.push_back(object.metadata().name);
}

void view_agents(NamespaceView& view, const kube::Cache& cache, const AgentReports& reports) {
  for (const kube::Object& object : cache.list(api::kPodKind, view.name)) {
    const auto read = object.read_by(api::read_pod);
    if (!*read) {
      note_unreadable(view, object, read->error().detail);
      continue;
    }
    const api::Pod& pod = **read;
    if (!pod.is_injected() || pod.is_over()) continue;
    if (!is_uid(pod.metadata.uid)) {
      note_unreadable(view, object, "its UID is none");
      continue;
    }
    AgentPod agent;
    agent.pod = pod;
    agent.agent_class = class_of(cache, agent.pod);
    agent.report = reports.find(agent.uid());
    if (const auto last = reports.find_last(agent.uid())) {
      agent.spool_id = last->spool_id;
      agent.says_it_drains = last->phase == "draining" || last->phase == "ending";
    }
    if (agent.agent_class) {
      agent.peer_port = agent.agent_class->spec.ports.peer;
      agent.admin_port = agent.agent_class->spec.ports.admin;
    }
    view.agents.push_back(std::move(agent));
  }
  std::ranges::sort(view.agents, {}, &AgentPod::uid);
}

// What can be said of a MessageQueue that cannot be read. Its name stays its own: agents hold
// messages under it, and another queue of that name would take publishes that none of them shows.
api::MessageQueue unreadable_queue(const kube::Object& object) {
  api::MessageQueue queue;
  queue.metadata = object.metadata();
  const kube::Json& spec = object.spec();
  const kube::Json name = spec.is_object() ? spec.value("queueName", kube::Json()) : kube::Json();
  // One that is no name would make whole documents unreadable.
  if (name.is_string() && is_amqp_name(name.get_ref<const std::string&>()) &&
      name.get_ref<const std::string&>().size() <= kQueueNameRule.bytes_max)
    queue.spec.queue_name = name.get<std::string>();
  return queue;
}

// A MessageQueue that cannot be read is in nobody's documents. That is safe: its absence parks the
// queue, with all its messages, until it can be read again.
void view_queues(NamespaceView& view, const kube::Cache& cache) {
  for (const kube::Object& object : cache.list(api::kMessageQueueKind, view.name)) {
    if (!is_uid(object.metadata().uid)) {
      note(view, object, "its UID is none");
      continue;
    }
    const auto read = object.read_by(api::read_message_queue);
    const std::string problem = *read ? "" : read->error().detail;
    if (!*read) note(view, object, problem);
    const bool is_ending = object.metadata().is_ending();
    const bool is_held =
        object.metadata().has_finalizer(api::kQueueFinalizer) || !object.status().empty();
    view.queues.push_back({*read ? **read : unreadable_queue(object),
                           false,
                           {},
                           is_ending && is_discarding(object.status()),
                           is_held,
                           problem});
  }
  std::ranges::sort(view.queues, [](const ViewedQueue& a, const ViewedQueue& b) {
    return is_older(a.queue.metadata, b.queue.metadata);
  });
  if (view.queues.size() > kPolicyQueuesMax) {
    view.problems.push_back("the namespace has more than " + std::to_string(kPolicyQueuesMax) +
                            " MessageQueues: the youngest are not served");
    for (std::size_t i = kPolicyQueuesMax; i < view.queues.size(); ++i)
      view.queues[i].is_held = false;
  }
  // An older one keeps its name until its object is gone: while it is being deleted, too.
  std::map<std::string_view, const ViewedQueue*> owners;
  for (ViewedQueue& each : view.queues) {
    const auto [owner, is_first] = owners.emplace(each.queue.queue_name(), &each);
    each.is_name_taken = !is_first;
    if (!is_first) each.name_taken_by = owner->second->queue.metadata.name;
  }
}

ViewedUser view_user(const kube::Cache& cache, PasswordHashes& hashes, api::MessageQueueUser user) {
  ViewedUser viewed{std::move(user), {}, {}};
  const auto secret = cache.find({std::string(api::kSecretKind),
                                  viewed.user.metadata.namespace_name, viewed.user.secret_name()});
  if (!secret) return viewed;
  const SecretOrigin origin = origin_of(*secret, viewed.user);
  if (origin != SecretOrigin::ours && origin != SecretOrigin::given) return viewed;
  viewed.password = api::secret_value(*secret, "password");
  if (!viewed.password.empty())
    viewed.password_hash = hashes.hash_of(viewed.user.metadata.uid, viewed.password);
  return viewed;
}

void view_users(NamespaceView& view, const kube::Cache& cache, PasswordHashes& hashes) {
  std::map<std::string, api::MessageQueueUser> by_user_name;
  for (const kube::Object& object : cache.list(api::kMessageQueueUserKind, view.name)) {
    const auto read = object.read_by(api::read_message_queue_user);
    if (!*read) {
      note(view, object, read->error().detail);
      continue;
    }
    const api::MessageQueueUser& user = **read;
    if (user.metadata.is_ending()) continue;
    const std::string name = user.user_name();
    const auto held = by_user_name.find(name);
    if (held == by_user_name.end())
      by_user_name.emplace(name, user);
    else if (is_older(user.metadata, held->second.metadata))
      held->second = user;
  }
  for (auto& [name, user] : by_user_name) {
    if (view.users.size() == kUsersMax) {
      view.problems.push_back("the namespace has more than " + std::to_string(kUsersMax) +
                              " users: " + name + " and those behind it cannot log in");
      break;
    }
    view.users.push_back(view_user(cache, hashes, std::move(user)));
  }
}

}  // namespace

bool AgentPod::is_draining() const { return pod.metadata.is_ending() || says_it_drains; }

const ViewedQueue* NamespaceView::find_queue(std::string_view object_name) const {
  for (const ViewedQueue& each : queues)
    if (each.queue.metadata.name == object_name) return &each;
  return nullptr;
}

bool serves(const AgentPod& agent, const ViewedQueue& queue) {
  return queue.problem.empty() && queue.is_held && !queue.is_name_taken && !queue.is_discarding &&
         selects(queue.queue.spec.agents, agent.pod.metadata.labels);
}

bool may(const api::MessageQueueSpec& spec, std::string_view service_account, Verb verb) {
  if (!spec.access) return verb != Verb::manage;
  return std::ranges::any_of(*spec.access, [&](const AccessRule& rule) {
    const auto names = [&](const AccessSubject& subject) {
      return subject.kind == SubjectKind::service_account && subject.name == service_account;
    };
    return std::ranges::find(rule.verbs, verb) != rule.verbs.end() &&
           std::ranges::any_of(rule.subjects, names);
  });
}

NamespaceView view_namespace(const kube::Cache& cache, const AgentReports& reports,
                             PasswordHashes& hashes, const std::string& namespace_name) {
  NamespaceView view;
  view.name = namespace_name;
  view_agents(view, cache, reports);
  view_queues(view, cache);
  view_users(view, cache, hashes);
  return view;
}

}  // namespace pannier
