#include "operator/api/message_queue_user.h"

#include <nlohmann/json.hpp>

#include "common/base64.h"
#include "operator/api/read_object.h"
#include "operator/api/resource_fields.h"

namespace pannier::api {
namespace {

const std::string* text_in(const kube::Json& object, const char* map, std::string_view key) {
  const auto found = object.find(map);
  if (found == object.end() || !found->is_object()) return nullptr;
  const auto value = found->find(std::string(key));
  if (value == found->end() || !value->is_string()) return nullptr;
  return &value->get_ref<const std::string&>();
}

}  // namespace

Result<MessageQueueUser> read_message_queue_user(const kube::Object& object) {
  return read_resource<MessageQueueUser>(
      object, [](YamlMap& io, MessageQueueUserSpec& spec) { message_queue_user_fields(io, spec); });
}

std::string secret_value(const kube::Object& secret, std::string_view key) {
  // The API server merges stringData over data.
  if (const std::string* plain = text_in(secret.json(), "stringData", key)) return *plain;
  const std::string* encoded = text_in(secret.json(), "data", key);
  if (encoded == nullptr) return {};
  return from_base64(*encoded).value_or("");
}

}  // namespace pannier::api
