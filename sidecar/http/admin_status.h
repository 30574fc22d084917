// AdminStatus: what an agent says of itself at /v1/status: to the operator, which makes the status
// of queues and agents out of it, and to people.
//
// Values, and a pure function; any thread. Fields are only ever added: readers ignore what they do
// not know. Times are RFC 3339 in UTC.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/metrics.h"

namespace pannier::http {

struct AdminQueue {
  std::string name;
  std::string uid;  // of its MessageQueue; empty: a client declared it
  std::uint64_t generation = 0;
  QueueNumbers numbers;
  std::uint64_t returned = 0;
  std::uint64_t lost = 0;                 // damaged on disk
  std::optional<std::int64_t> oldest_ms;  // when its oldest ready message was published
  std::string durability;
  bool paused = false;
};

struct AdminLink {
  std::string peer;
  std::string direction;  // "pull" or "push"
  LinkNumbers numbers;
};

struct AdminCertificate {
  std::string use;  // "localhost", "peer" or "admin"
  std::int64_t expires_ms = 0;
};

struct AdminEncryption {
  std::uint32_t current = 0;          // the key of what is new; 0: none
  std::vector<std::uint32_t> in_use;  // that segments need; 0 stands for plain ones
  bool required = false;
  std::string error;  // why the folder of keys cannot be used as it is; empty: it can
};

struct AdminSpool {
  std::uint64_t bytes = 0;  // of its files
  std::uint64_t bytes_max = 0;
  std::uint64_t bytes_live = 0;
  std::uint64_t segments = 0;
  std::uint64_t corrupt_records = 0;
  bool full = false;  // publishes are refused
  std::optional<AdminEncryption> encryption;
};

struct AdminStatus {
  std::string version;
  std::string namespace_name;
  std::string pod;
  std::string pod_uid;
  std::string spool_id;
  std::string phase;  // "serving", "draining" or "ending"
  std::int64_t started_ms = 0;
  std::string policy_version;  // empty: none yet, or it is not from a document
  std::size_t policy_queues = 0;
  std::string members_version;
  std::size_t members_agents = 0;
  std::uint64_t confirmed = 0;  // publishes that were synced in this run
  std::vector<AdminQueue> queues;
  std::vector<AdminLink> links;
  std::vector<AdminCertificate> certificates;
  // content_hash of the CAs that peers are checked by; empty: no identity of the operator's.
  std::string trust_bundle;
  AdminSpool spool;
};

std::string to_json(const AdminStatus& status);

}  // namespace pannier::http
