// Members: the agents of a namespace, and for each queue who may pull it and who may receive from
// it. Made by the operator, kept by the agent on disk, or written by hand for agents without an
// operator.
//
// A value type; parse and to_yaml are pure; any thread. Unknown keys are ignored unless told
// otherwise, as in policy.h; its version is content_hash of the text as received. Agents are named
// by pod UID throughout. Errors are bad_config with every place, or wrong_version for a newer
// schemaVersion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config_text.h"
#include "common/quantity.h"
#include "common/result.h"

namespace pannier {

inline constexpr int kMembersSchemaVersion = 1;
inline constexpr std::size_t kMembersAgentsMax = 5'000;

struct MemberAgent {
  std::string pod_uid;
  std::string pod_name;
  std::string spool_id;  // empty while the operator does not know it
  std::string address;   // of its peer listener
  std::uint16_t port = 7671;
  std::string service_account;
  bool draining = false;
  bool host = false;
  std::optional<Timestamp> started_at;
  bool operator==(const MemberAgent&) const = default;
};

struct MemberQueue {
  std::string uid;
  std::vector<std::string> served_by;  // the agents that have this queue in their policy
  std::vector<std::string> may_pull;   // their ServiceAccount may Consume
  std::vector<std::string>
      may_receive;  // hand-off targets, in no order; never one that is draining
  bool operator==(const MemberQueue&) const = default;
};

struct Members {
  int schema_version = kMembersSchemaVersion;
  std::string namespace_name;
  std::vector<MemberAgent> agents;
  std::vector<MemberQueue> queues;
  bool operator==(const Members&) const = default;
};

Result<Members> parse_members(std::string_view text, std::string_view file,
                              UnknownKeys unknown = UnknownKeys::ignore);

// Puts every list into its canonical order, by UID.
void sort(Members& members);

// Canonical: members that are equal once sorted have equal text.
std::string to_yaml(Members members);

}  // namespace pannier
