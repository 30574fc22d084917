#include "operator/kube/object.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <nlohmann/json.hpp>

namespace pannier::kube {
namespace {

// More than any kind needs; what walks an object calls itself once a level.
constexpr int kDepthMax = 100;
const Json kNothing;

bool is_deeper_than(const Json& json, int depth) {
  if (!json.is_structured() || json.empty()) return false;
  if (depth == 0) return true;
  return std::any_of(json.begin(), json.end(),
                     [&](const Json& item) { return is_deeper_than(item, depth - 1); });
}

Error fault(std::string_view field, std::string_view expected, const Json& found) {
  return {Errc::bad_config, std::string(field) + ": expected " + std::string(expected) +
                                ", found " + (found.is_null() ? "nothing" : found.type_name()) +
                                ": correct it"};
}

// What `key` holds; nothing for what is absent or null, as the API server takes it.
const Json& member(const Json& map, const char* key) {
  const auto found = map.find(key);
  return found == map.end() ? kNothing : *found;
}

Result<std::string> read_text(const Json& map, const char* key, std::string_view field) {
  const Json& value = member(map, key);
  if (value.is_null()) return std::string{};
  if (!value.is_string()) return fault(field, "text", value);
  return value.get_ref<const std::string&>();
}

Result<std::map<std::string, std::string>> read_text_map(const Json& map, const char* key,
                                                         const std::string& field) {
  const Json& value = member(map, key);
  std::map<std::string, std::string> texts;
  if (value.is_null()) return texts;
  if (!value.is_object()) return fault(field, "a map", value);
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) return fault(field + "." + name, "text", text);
    texts.emplace(name, text.get_ref<const std::string&>());
  }
  return texts;
}

Result<std::vector<std::string>> read_text_list(const Json& map, const char* key,
                                                const std::string& field) {
  const Json& value = member(map, key);
  std::vector<std::string> texts;
  if (value.is_null()) return texts;
  if (!value.is_array()) return fault(field, "a list", value);
  for (const Json& text : value) {
    if (!text.is_string())
      return fault(field + "[" + std::to_string(texts.size()) + "]", "text", text);
    texts.push_back(text.get_ref<const std::string&>());
  }
  return texts;
}

Result<std::optional<Timestamp>> read_time(const Json& map, const char* key,
                                           const std::string& field) {
  const Json& value = member(map, key);
  if (value.is_null()) return std::optional<Timestamp>{};
  if (!value.is_string()) return fault(field, "a time such as 2026-11-22T10:00:00Z", value);
  const auto time = parse_timestamp(value.get_ref<const std::string&>());
  if (!time) return Error{Errc::bad_config, field + ": " + time.error().detail};
  return std::optional{*time};
}

// Takes what was read, or keeps the first error.
struct Reading {
  std::optional<Error> error;

  template <typename T>
  void take(Result<T> read, T& into) {
    if (read)
      into = std::move(*read);
    else if (!error)
      error = read.error();
  }
};

Result<Metadata> read_metadata(const Json& root) {
  const Json& json = member(root, "metadata");
  if (!json.is_object()) return fault("metadata", "a map", json);
  Metadata metadata;
  Reading reading;
  reading.take(read_text(json, "namespace", "metadata.namespace"), metadata.namespace_name);
  reading.take(read_text(json, "name", "metadata.name"), metadata.name);
  reading.take(read_text(json, "uid", "metadata.uid"), metadata.uid);
  reading.take(read_text(json, "resourceVersion", "metadata.resourceVersion"),
               metadata.resource_version);
  reading.take(read_text_map(json, "labels", "metadata.labels"), metadata.labels);
  reading.take(read_text_map(json, "annotations", "metadata.annotations"), metadata.annotations);
  reading.take(read_text_list(json, "finalizers", "metadata.finalizers"), metadata.finalizers);
  reading.take(read_time(json, "creationTimestamp", "metadata.creationTimestamp"),
               metadata.created_at);
  reading.take(read_time(json, "deletionTimestamp", "metadata.deletionTimestamp"),
               metadata.deleted_at);
  if (reading.error) return *reading.error;

  const Json& generation = member(json, "generation");
  if (generation.is_number_unsigned() ||
      (generation.is_number_integer() && generation.get<std::int64_t>() >= 0))
    metadata.generation = generation.get<std::uint64_t>();
  else if (!generation.is_null())
    return fault("metadata.generation", "a whole number of at least 0", generation);
  // A pod at admission may have only the beginning of a name.
  if (metadata.name.empty() && !member(json, "generateName").is_string())
    return fault("metadata.name", "a name", kNothing);
  return metadata;
}

}  // namespace

std::string to_text(const Key& key) {
  if (key.namespace_name.empty()) return key.kind + " " + key.name;
  return key.kind + " " + key.namespace_name + "/" + key.name;
}

bool Metadata::has_finalizer(std::string_view finalizer) const {
  return std::find(finalizers.begin(), finalizers.end(), finalizer) != finalizers.end();
}

std::string_view Metadata::annotation(std::string_view wanted) const {
  const auto found = annotations.find(std::string(wanted));
  return found == annotations.end() ? std::string_view{} : found->second;
}

struct Object::Body {
  std::string api_version;
  std::string kind;
  Metadata metadata;
  Json json;
  mutable std::mutex mutex;
  mutable const void* kept_as = nullptr;  // a kind has one reader: one place is enough
  mutable std::shared_ptr<const void> kept;
};

const std::string& Object::api_version() const { return body_->api_version; }
const std::string& Object::kind() const { return body_->kind; }
const Metadata& Object::metadata() const { return body_->metadata; }
const Json& Object::json() const { return body_->json; }

std::shared_ptr<const void> Object::kept(
    const void* as, const std::function<std::shared_ptr<const void>()>& make) const {
  const std::lock_guard lock(body_->mutex);
  if (body_->kept_as != as) {
    body_->kept = make();
    body_->kept_as = as;
  }
  return body_->kept;
}

Result<Object> Object::from_json(Json json) {
  if (!json.is_object()) return fault("object", "a map", json);
  if (is_deeper_than(json, kDepthMax))
    return Error{Errc::bad_config, "object: expected at most " + std::to_string(kDepthMax) +
                                       " levels of nesting, found more: nest less deeply"};
  const auto body = std::make_shared<Body>();
  Reading reading;
  reading.take(read_text(json, "apiVersion", "apiVersion"), body->api_version);
  reading.take(read_text(json, "kind", "kind"), body->kind);
  if (reading.error) return *reading.error;
  if (body->api_version.empty()) return fault("apiVersion", "a group and version", kNothing);
  if (body->kind.empty()) return fault("kind", "a kind", kNothing);
  auto metadata = read_metadata(json);
  if (!metadata) return metadata.error();
  body->metadata = std::move(*metadata);
  body->json = std::move(json);
  Object object;
  object.body_ = body;
  return object;
}

Result<Object> Object::parse(std::string_view json_text) {
  Json json = Json::parse(json_text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded())
    return Error{Errc::bad_config, "object: expected JSON, found what is none: correct it"};
  return from_json(std::move(json));
}

const Json& Object::spec() const { return member(json(), "spec"); }
const Json& Object::status() const { return member(json(), "status"); }

}  // namespace pannier::kube
