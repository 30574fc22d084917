// AccessRules: a policy and the members, compiled for one question: may this principal do that with
// this queue?
//
// Owned by PolicyAccess, replaced at each policy. Loop thread. A question costs the look-up of two
// or three names and allocates nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/members.h"
#include "sidecar/queue/access.h"
#include "sidecar/queue/name_map.h"

namespace pannier::queue {

// Which agents there are, and what their links may do.
class MemberRules {
 public:
  MemberRules() = default;
  explicit MemberRules(const Members& members);

  // The agent is one of us, with that ServiceAccount.
  bool lists(std::string_view pod_uid, std::string_view service_account) const;
  // A link may pull a queue, or hand over to it what it serves itself; nothing else.
  bool may(std::string_view pod_uid, Verb verb, std::string_view queue_uid) const;

 private:
  struct Agent {
    std::uint32_t number = 0;
    std::string service_account;
  };
  struct Queue {  // numbers of agents, sorted: a namespace may have thousands for each queue
    std::vector<std::uint32_t> may_pull;
    std::vector<std::uint32_t> served_by;
  };
  std::vector<std::uint32_t> numbers(const std::vector<std::string>& pod_uids) const;

  NameMap<Agent> agents_;
  NameMap<Queue> queues_;
};

class AccessRules {
 public:
  AccessRules() = default;
  explicit AccessRules(const Policy& policy);

  bool may(const Principal& principal, Verb verb, std::string_view queue,
           const MemberRules& members) const;
  bool may_declare(const Principal& principal) const {
    return clients_declare_ && principal.kind != Principal::Kind::agent;
  }

 private:
  using Verbs = std::uint8_t;  // a bit each
  struct Governed {
    std::string uid;
    bool has_rules = false;
    NameMap<Verbs> service_accounts;
    NameMap<Verbs> users;
  };

  bool clients_declare_ = false;  // before the first policy nobody may anything
  NameMap<Governed> governed_;
  NameSet elsewhere_;  // governed too, but not here
};

}  // namespace pannier::queue
