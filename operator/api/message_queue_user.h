// MessageQueueUser: a user of a namespace's queues (crds/messagequeueuser.yaml), as C++.
//
// Values and pure functions; any thread. Its password is in a Secret, never in the resource.
#pragma once

#include <string>
#include <string_view>

#include "operator/kube/object.h"

namespace pannier::api {

inline constexpr std::string_view kMessageQueueUserKind = "MessageQueueUser";
inline constexpr std::string_view kSecretKind = "Secret";
// On a Secret that somebody else made for a user: its name.
inline constexpr std::string_view kUserSecretLabel = "pannier.dev/user";

struct MessageQueueUserSpec {
  std::string user_name;    // empty: the object's name
  std::string secret_name;  // empty: "<metadata.name>-pannier-user"

  bool operator==(const MessageQueueUserSpec&) const = default;
};

struct MessageQueueUser {
  kube::Metadata metadata;
  MessageQueueUserSpec spec;

  const std::string& user_name() const {
    return spec.user_name.empty() ? metadata.name : spec.user_name;
  }
  std::string secret_name() const {
    return spec.secret_name.empty() ? metadata.name + "-pannier-user" : spec.secret_name;
  }
};

Result<MessageQueueUser> read_message_queue_user(const kube::Object& object);

// A value of a Secret's data (base64) or stringData, decoded; empty when it has none.
std::string secret_value(const kube::Object& secret, std::string_view key);

}  // namespace pannier::api
