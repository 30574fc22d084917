// Object: one Kubernetes object: what every kind has, read, and the whole of it as JSON.
//
// An immutable value that shares its JSON; any thread. Kinds are known by the name that manifests
// use ("MessageQueue"); which group, version and plural belong to it is the client's business.
// Errors are bad_config and name the field.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/quantity.h"
#include "common/result.h"

namespace pannier::kube {

using Json = nlohmann::json;

// What an object is called. Two objects of one key, one after the other, differ by their UID.
struct Key {
  std::string kind;
  std::string namespace_name;  // empty for kinds that have no namespace
  std::string name;

  auto operator<=>(const Key&) const = default;
};
std::string to_text(const Key& key);  // "MessageQueue shop/orders", for people

struct Metadata {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::string resource_version;
  std::uint64_t generation = 0;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> finalizers;
  std::optional<Timestamp> created_at;
  std::optional<Timestamp> deleted_at;  // its deletion has begun, and waits for its finalizers

  bool is_ending() const { return deleted_at.has_value(); }
  bool has_finalizer(std::string_view finalizer) const;
  // Empty for an annotation that it does not have.
  std::string_view annotation(std::string_view name) const;
};

class Object {
 public:
  static Result<Object> from_json(Json json);
  static Result<Object> parse(std::string_view json_text);

  const std::string& api_version() const { return api_version_; }
  const std::string& kind() const { return kind_; }
  const Metadata& metadata() const { return metadata_; }
  Key key() const { return {kind_, metadata_.namespace_name, metadata_.name}; }
  const Json& json() const { return *json_; }
  const Json& spec() const;    // null when it has none
  const Json& status() const;  // null when it has none

 private:
  Object() = default;

  std::string api_version_;
  std::string kind_;
  Metadata metadata_;
  std::shared_ptr<const Json> json_;
};

}  // namespace pannier::kube
