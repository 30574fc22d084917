// Access: who is talking, and what they may do: the interface that sessions ask.
//
// Implemented by PolicyAccess (policy_access.h) and by tests. Owned by Agent; loop thread. Whoever
// implements it never lets a password or token into a log or an error.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/policy.h"
#include "common/result.h"

namespace pannier::queue {

struct Principal {
  enum class Kind : std::uint8_t {
    service_account,
    user,
    agent,
    control,  // came over the control socket: whoever can open it may everything
  };
  Kind kind = Kind::user;
  std::string name;  // of an agent: its pod's UID
  bool operator==(const Principal&) const = default;
};

// Whoever speaks over the control socket; nobody can log in as it.
inline Principal control_principal() { return {Principal::Kind::control, "control socket"}; }

struct Credentials {
  enum class Kind : std::uint8_t { password, bearer, certificate };
  Kind kind = Kind::password;
  std::string user;
  std::string secret;           // password or token
  std::string certificate_uri;  // of a certificate that TLS has verified
};

class Access {
 public:
  virtual ~Access() = default;

  // Calls back on the loop, later or at once. not_authenticated says nothing about which part was
  // wrong.
  virtual void authenticate(Credentials credentials,
                            std::function<void(Result<Principal>)> done) = 0;
  // access_denied, with the principal, the verb and the queue in its detail.
  virtual Result<void> may(const Principal& principal, Verb verb, std::string_view queue) const = 0;
  // Declare, bind and delete what no MessageQueue governs.
  virtual Result<void> may_declare(const Principal& principal) const = 0;
};

}  // namespace pannier::queue
