// PolicyAccess: who is talking, and what they may do, by the policy and the members that this agent
// holds.
//
// Owned by Agent; the executors and the clock outlive it. Loop thread. A new policy counts from the
// next question on: a connection keeps its principal, what it may do changes under it. Before the
// first policy nobody but the control socket may anything. Callbacks of logins that are still being
// checked when this ends are dropped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/members.h"
#include "sidecar/queue/access_rules.h"
#include "sidecar/queue/denial_log.h"
#include "sidecar/queue/password_login.h"

namespace pannier::queue {

struct PolicyAccessOptions {
  std::string trust_domain;    // of peers' certificates
  std::string namespace_name;  // ours
  LoginOptions login;
  std::size_t credential_bytes_max = 4'096;  // user and password together
  std::size_t denials_remembered_max = 1'024;
};

class PolicyAccess final : public Access {
 public:
  PolicyAccess(Executor& loop, Executor& pool, const Clock& clock, PolicyAccessOptions options);

  void apply(const Policy& policy);
  void apply(const Members& members);

  // What lies in PANNIER_DIR: whoever logs in with it is the pod's ServiceAccount. Without a
  // password there is no such login.
  void set_pod_credential(std::string_view user, std::string_view password,
                          std::string_view service_account);

  // For dev mode, whose listeners are all on loopback: guest/guest may everything.
  void allow_guest();

  void authenticate(Credentials credentials, std::function<void(Result<Principal>)> done) override;
  Result<void> may(const Principal& principal, Verb verb, std::string_view queue) const override;
  Result<void> may_declare(const Principal& principal) const override;

  // Logins that are held back, and denials that want counting.
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

 private:
  struct Fixed {  // a credential of the agent's own
    CredentialDigest digest;
    Principal principal;
  };

  const Principal* find_fixed(const CredentialDigest& digest) const;
  Result<Principal> by_certificate(std::string_view uri) const;
  bool may_everything(const Principal& principal) const;

  const PolicyAccessOptions options_;
  const CredentialKey key_;
  std::optional<Fixed> pod_;
  std::optional<Fixed> guest_;
  AccessRules rules_;
  MemberRules members_;
  PasswordLogin login_;
  mutable DenialLog denials_;  // asking changes nothing but what is logged
};

}  // namespace pannier::queue
