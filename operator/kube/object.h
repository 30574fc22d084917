// Object: one Kubernetes object: what every kind has, read, and the whole of it as JSON.
//
// An immutable value that shares what it holds, so that copies cost nothing; any thread. Kinds are
// known by the name that manifests use ("MessageQueue"); which group, version and plural belong to
// it is the client's business. Errors are bad_config and name the field.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
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

  const std::string& api_version() const;
  const std::string& kind() const;
  const Metadata& metadata() const;
  Key key() const { return {kind(), metadata().namespace_name, metadata().name}; }
  const Json& json() const;
  const Json& spec() const;    // null when it has none
  const Json& status() const;  // null when it has none

  // What `reader` makes of it, a pure function: made once for the object and all its copies, since
  // reading a namespace's objects anew for each of its queues would cost more than all the rest.
  template <typename T>
  std::shared_ptr<const Result<T>> read_by(Result<T> (*reader)(const Object&)) const {
    return std::static_pointer_cast<const Result<T>>(
        kept(&kKeptAs<T>, [&] { return std::make_shared<const Result<T>>(reader(*this)); }));
  }

 private:
  struct Body;
  template <typename T>
  inline static const char kKeptAs = 0;  // its address says what is kept

  Object() = default;
  std::shared_ptr<const void> kept(const void* as,
                                   const std::function<std::shared_ptr<const void>()>& make) const;

  std::shared_ptr<const Body> body_;
};

}  // namespace pannier::kube
