#include <nlohmann/json.hpp>

#include "operator/admit_pod.h"
#include "operator/conditions.h"
#include "operator/reconcilers.h"

namespace pannier {
namespace {

bool is_marked(const kube::Metadata& metadata) {
  return metadata.annotation(api::kDefaultClassAnnotation) == "true";
}

std::vector<api::AgentClass> readable_classes(const kube::Cache& cache) {
  std::vector<api::AgentClass> classes;
  for (const kube::Object& object : cache.list(api::kAgentClassKind))
    if (const auto read = object.read_by(api::read_agent_class); *read) classes.push_back(**read);
  return classes;
}

std::uint64_t agents_of(const kube::Cache& cache, const std::string& class_name) {
  std::uint64_t agents = 0;
  for (const kube::Object& object : cache.list(api::kPodKind)) {
    if (object.metadata().annotation(api::kInjectedAnnotation) != class_name) continue;
    if (const auto pod = api::read_pod(object); pod && !pod->is_over()) ++agents;
  }
  return agents;
}

}  // namespace

Result<Reconciled> reconcile_agent_class(ReconcileContext& context, const kube::Key& key) {
  const auto object = context.cache.find(key);
  if (!object || object->metadata().is_ending()) return Reconciled{};
  const std::string first = default_class(readable_classes(context.cache));
  const bool is_default = first == key.name;
  std::vector<Condition> conditions = {
      {"Ready", ConditionStatus::is_true, "Understood", "it can be used"}};
  if (const auto read = api::read_agent_class(*object); !read)
    conditions[0] = {"Ready", ConditionStatus::is_false, "SpecNotUnderstood", read.error().detail};
  else if (is_marked(object->metadata()) && !is_default)
    conditions[0].message = "it can be used, but is not the default: AgentClass " + first +
                            " is marked too, and is older";
  const std::uint64_t generation = object->metadata().generation;
  const Timestamp now = wall_time(context.clock);
  const kube::Json status = {
      {"agents", agents_of(context.cache, key.name)},
      {"isDefault", is_default},
      {"conditions", conditions_json(conditions, object->status(), generation, now)}};
  if (status != object->status())
    if (auto written = context.client.put_status(key, status); !written) return written.error();
  return Reconciled{context.status_interval};
}

}  // namespace pannier
