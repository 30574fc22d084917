#include "operator/user_secret.h"

#include <nlohmann/json.hpp>
#include <tuple>

#include "common/base64.h"

namespace pannier {
namespace {

// For the user part of a URL: only what RFC 3986 never reserves stays as it is.
std::string url_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~";
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || kPlain.find(c) != kPlain.npos;
    if (is_plain) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

}  // namespace

SecretOrigin origin_of(const kube::Object& secret, const api::MessageQueueUser& user) {
  const std::string_view made_for = secret.metadata().annotation(kMadeForAnnotation);
  if (!made_for.empty())
    return made_for == user.metadata.uid ? SecretOrigin::ours : SecretOrigin::earlier;
  const auto& labels = secret.metadata().labels;
  const auto label = labels.find(std::string(api::kUserSecretLabel));
  if (label != labels.end() && label->second == user.metadata.name) return SecretOrigin::given;
  return SecretOrigin::foreign;
}

kube::Json user_secret_json(const api::MessageQueueUser& user, std::string_view password) {
  const std::string amqp_url = "amqps://" + url_encoded(user.user_name()) + ":" +
                               url_encoded(password) + "@localhost:5671/%2F";
  kube::Json owner = {{"apiVersion", "pannier.dev/v1alpha1"},
                      {"kind", api::kMessageQueueUserKind},
                      {"name", user.metadata.name},
                      {"uid", user.metadata.uid},
                      {"controller", true},
                      {"blockOwnerDeletion", false}};
  return {{"apiVersion", "v1"},
          {"kind", api::kSecretKind},
          {"metadata",
           {{"name", user.secret_name()},
            {"namespace", user.metadata.namespace_name},
            {"annotations", {{std::string(kMadeForAnnotation), user.metadata.uid}}},
            {"ownerReferences", kube::Json::array({std::move(owner)})}}},
          {"type", "Opaque"},
          {"data",
           {{"username", to_base64(user.user_name())},
            {"password", to_base64(password)},
            {"amqp-url", to_base64(amqp_url)},
            {"http-url", to_base64("https://localhost:8443")}}}};
}

bool is_older(const kube::Metadata& one, const kube::Metadata& other) {
  return std::tie(one.created_at, one.name, one.uid) <
         std::tie(other.created_at, other.name, other.uid);
}

}  // namespace pannier
