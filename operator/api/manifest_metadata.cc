#include "operator/api/manifest_metadata.h"

#include <nlohmann/json.hpp>

#include "operator/api/names.h"
#include "operator/api/pod.h"

namespace pannier::api {
namespace {

constexpr std::size_t kLabelsMax = 1'000;
constexpr std::size_t kAnnotationBytesMax = 256u << 10;  // all of them, as in Kubernetes
constexpr TextRule kAnnotationRule{"text", kAnnotationBytesMax};
constexpr std::string_view kOurOwnAnnotations[] = {kInjectedAnnotation, "pannier.dev/manifest"};

void check_annotations(const YamlNode& document, YamlProblems& problems) {
  const YamlNode* metadata = document.find("metadata");
  const YamlNode* annotations = metadata == nullptr ? nullptr : metadata->find("annotations");
  if (annotations == nullptr) return;
  for (const YamlNode::Key& key : annotations->keys)
    for (const std::string_view ours : kOurOwnAnnotations)
      if (key.text == ours)
        problems.add(key.mark, "metadata.annotations." + key.text,
                     "expected annotations of your own, found one that only Pannier sets: remove "
                     "it");
}

}  // namespace

kube::Json read_manifest_metadata(YamlMap& root, const YamlNode& document, const NameRules& rules,
                                  std::string_view default_namespace, YamlProblems& problems) {
  std::string name, namespace_name;
  std::map<std::string, std::string> labels, annotations;
  root.section("metadata", [&](YamlMap& io) {
    io.text("name", name, rules.name);
    if (rules.has_namespace)
      io.text("namespace", namespace_name, pannier::optional(kDnsLabelRule));
    else
      io.refuse("namespace",
                "expected no namespace: this kind belongs to the cluster, found one: remove it");
    io.text_map("labels", labels, kLabelsMax, kLabelKeyRule, kLabelValueRule);
    io.text_map("annotations", annotations, kLabelsMax, kLabelKeyRule, kAnnotationRule);
    std::size_t bytes = 0;
    for (const auto& [key, value] : annotations) bytes += key.size() + value.size();
    io.check(bytes <= kAnnotationBytesMax, "annotations",
             "expected at most 256 KiB of annotations, found more: make them smaller");
    io.refuse("finalizers", "expected none in a file, found finalizers: remove them");
    for (const std::string_view added :
         {"creationTimestamp", "resourceVersion", "uid", "generation", "managedFields", "selfLink"})
      io.take(added);
  });
  check_annotations(document, problems);

  kube::Json metadata{{"name", name}};
  if (rules.has_namespace)
    metadata["namespace"] =
        namespace_name.empty() ? std::string(default_namespace) : namespace_name;
  if (!labels.empty()) metadata["labels"] = labels;
  if (!annotations.empty()) metadata["annotations"] = annotations;
  return metadata;
}

}  // namespace pannier::api
