#include "operator/api/manifest_reader.h"

#include <nlohmann/json.hpp>

#include "common/base64.h"
#include "operator/api/json_map_writer.h"
#include "operator/api/manifest_metadata.h"
#include "operator/api/pod.h"
#include "operator/api/pod_manifest.h"
#include "operator/api/resource_fields.h"

namespace pannier::api {
namespace {

using kube::Json;

constexpr std::size_t kUserObjectNameMax = 240;  // so that "-pannier-user" fits behind it
constexpr std::size_t kSecretBytesMax = 1u << 20;
constexpr std::size_t kSecretKeysMax = 10'000;

bool is_secret_key(std::string_view text) {
  constexpr std::string_view kInside =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
  return !text.empty() && text != "." && !text.starts_with("..") &&
         text.find_first_not_of(kInside) == std::string_view::npos;
}
bool is_base64(std::string_view text) { return from_base64(text).has_value(); }

constexpr TextRule kSecretKeyRule{"a name of letters, digits, -, _ and .", 253, is_secret_key,
                                  true};
constexpr TextRule kSecretTextRule{"text", kSecretBytesMax, nullptr, false, true};
constexpr TextRule kSecretDataRule{"base64", 2 * kSecretBytesMax, is_base64, false, true};

// Each reads what its kind has beside metadata, and puts it into `object`.
void read_queue(YamlMap& root, const YamlNode&, Json& object) {
  MessageQueueSpec spec;
  const std::string name = object["metadata"]["name"];
  root.section("spec", [&](YamlMap& io) { message_queue_fields(io, spec, name); });
  JsonMapWriter out(object["spec"]);
  message_queue_fields(out, std::as_const(spec), name);
}

void read_class(YamlMap& root, const YamlNode&, Json& object) {
  AgentClassSpec spec;
  root.section("spec", [&](YamlMap& io) { agent_class_fields(io, spec); });
  JsonMapWriter out(object["spec"]);
  agent_class_fields(out, std::as_const(spec));
}

void read_user(YamlMap& root, const YamlNode&, Json& object) {
  MessageQueueUserSpec spec;
  root.section("spec", [&](YamlMap& io) { message_queue_user_fields(io, spec); });
  const auto& name = object["metadata"]["name"].get_ref<const std::string&>();
  root.check(name.size() <= kUserObjectNameMax || !spec.secret_name.empty(), "metadata",
             "expected a name of at most 240 bytes, or a secretName, found neither: set "
             "spec.secretName");
  JsonMapWriter out(object["spec"]);
  message_queue_user_fields(out, std::as_const(spec));
}

void read_pod_spec(YamlMap& root, const YamlNode& node, Json& object) {
  check_pod_manifest(root);
  object["spec"] = pod_spec_json(node);
}

void read_namespace(YamlMap& root, const YamlNode&, Json&) {
  root.take("spec");  // a namespace that was read from a cluster has finalizers there
}

void read_service_account(YamlMap& root, const YamlNode&, Json&) {
  bool no_effect = false;
  root.boolean("automountServiceAccountToken", no_effect);
  root.take("imagePullSecrets");
  root.take("secrets");
}

void read_secret(YamlMap& root, const YamlNode&, Json& object) {
  std::string type = "Opaque";
  bool immutable = false;
  std::map<std::string, std::string> data, texts;
  root.text("type", type, {"a type", 253});
  root.boolean("immutable", immutable);
  root.text_map("data", data, kSecretKeysMax, kSecretKeyRule, kSecretDataRule);
  root.text_map("stringData", texts, kSecretKeysMax, kSecretKeyRule, kSecretTextRule);
  for (const auto& [key, text] : texts) data[key] = to_base64(text);
  std::size_t size = 0;
  for (const auto& [key, encoded] : data) size += encoded.size() / 4 * 3;
  root.check(size <= kSecretBytesMax + data.size() * 3, texts.empty() ? "data" : "stringData",
             "expected at most 1 MiB in a secret, found more: make it smaller");
  object["type"] = type;
  object["data"] = data;
  if (immutable) object["immutable"] = true;
}

struct Kind {
  std::string_view name;
  std::string_view api_version;
  NameRules names;
  void (*read)(YamlMap& root, const YamlNode& node, Json& object);
};
constexpr std::string_view kOurs = "pannier.dev/v1alpha1";
constexpr NameRules kInNamespace{true, kSubdomainRule};
constexpr NameRules kInCluster{false, kSubdomainRule};
constexpr Kind kKinds[] = {
    {kMessageQueueKind, kOurs, kInNamespace, read_queue},
    {kAgentClassKind, kOurs, kInCluster, read_class},
    {kMessageQueueUserKind, kOurs, kInNamespace, read_user},
    {kPodKind, "v1", kInNamespace, read_pod_spec},
    {kNamespaceKind, "v1", {false, kDnsLabelRule}, read_namespace},
    {"ServiceAccount", "v1", kInNamespace, read_service_account},
    {kSecretKind, "v1", kInNamespace, read_secret},
};

const Kind* find_kind(const YamlNode& document, YamlProblems& problems) {
  const YamlNode* name = document.find("kind");
  std::string known;
  for (const Kind& kind : kKinds) {
    if (name != nullptr && name->kind == YamlNode::Kind::scalar && name->text == kind.name)
      return &kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  problems.add(name != nullptr ? name->mark : document.mark, "kind",
               "expected one of " + known + ", found " +
                   (name != nullptr ? found_text(*name) : "no such key") +
                   ": choose one of them; other kinds cannot be honoured without a cluster");
  return nullptr;
}

// The object of one document, for a document that has no problems.
Json read_object(const YamlNode& document, const Kind& kind, std::string_view default_namespace,
                 YamlProblems& problems) {
  Json object{{"apiVersion", kind.api_version}, {"kind", kind.name}};
  YamlMap root(document, "", UnknownKeys::refuse, problems);
  root.take("kind");
  std::string version;
  root.text("apiVersion", version, {"an API version", 253, nullptr, true});
  root.check(version.empty() || version == kind.api_version, "apiVersion",
             "expected " + std::string(kind.api_version) + " for a " + std::string(kind.name) +
                 ", found " + quoted_for_people(version) + ": correct it");
  object["metadata"] =
      read_manifest_metadata(root, document, kind.names, default_namespace, problems);
  kind.read(root, document, object);
  root.take("status");
  root.finish();
  return object;
}

}  // namespace

Result<std::vector<Manifest>> read_manifests(std::string_view text, std::string_view file,
                                             std::string_view default_namespace) {
  const auto documents = parse_yaml(text, file);
  if (!documents) return documents.error();
  YamlProblems problems{std::string(file)};
  std::vector<Manifest> manifests;
  std::map<kube::Key, YamlMark> places;
  for (const YamlNode& document : *documents) {
    if (document.kind != YamlNode::Kind::map) {
      problems.add(document.mark, "",
                   "expected a map with apiVersion, kind and metadata, found " +
                       found_text(document) + ": write one, or remove it");
      continue;
    }
    const Kind* kind = find_kind(document, problems);
    if (kind == nullptr) continue;
    Json json = read_object(document, *kind, default_namespace, problems);
    // Fails for one without a name, which is reported already.
    auto object = kube::Object::from_json(std::move(json));
    if (!object) continue;
    const auto [first, is_new] = places.emplace(object->key(), document.mark);
    if (!is_new)
      problems.add(document.mark, "",
                   "expected each object once, found " + to_text(object->key()) +
                       " again (first in line " + std::to_string(first->second.line) +
                       "): remove one of the two");
    manifests.push_back({std::move(*object), document.mark});
  }
  if (const auto read = problems.result(); !read) return read.error();
  return manifests;
}

}  // namespace pannier::api
