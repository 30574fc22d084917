// A MessageQueueUser's Secret: whose it is, and what one that we make says.
//
// Pure functions; any thread. The password passes through and is kept nowhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/message_queue_user.h"

namespace pannier {

// On Secrets that we made: the UID of the user that it was made for.
inline constexpr std::string_view kMadeForAnnotation = "pannier.dev/made-for";

enum class SecretOrigin : std::uint8_t {
  ours,     // made by us, for this user
  earlier,  // made by us, for an earlier user of that name
  given,    // somebody's, labelled for this user: read, never written
  foreign,  // somebody's: neither
};
SecretOrigin origin_of(const kube::Object& secret, const api::MessageQueueUser& user);

kube::Json user_secret_json(const api::MessageQueueUser& user, std::string_view password);

// Of several MessageQueueUsers of one user name the oldest counts: by creation, then by name.
bool is_older(const kube::Metadata& one, const kube::Metadata& other);

}  // namespace pannier
