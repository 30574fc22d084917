// Authority: a CA's certificate and key, and what it can do: make itself, and issue leaves.
//
// Values and pure functions (but for randomness); any thread. Every certificate has a random serial
// of 128 bits, counts from five minutes back, so that a clock that is a little slow still takes it,
// and is signed with SHA-256. Errors are bad_argument for a request that cannot be met, bad_config
// for a CA that cannot sign.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/certificate.h"
#include "common/private_key.h"
#include "common/result.h"

namespace pannier {

inline constexpr std::chrono::minutes kBackdated{5};

struct Authority {
  Certificate certificate;
  PrivateKey key;
};

// A new self-signed root, for leaves only (path length 0).
Result<Authority> make_ca(std::string_view common_name, std::chrono::seconds validity,
                          WallTime now);

struct LeafRequest {
  std::string common_name{};  // empty: the subject is empty, and the names below are critical
  std::vector<std::string> dns{};
  std::vector<std::string> ips{};
  std::vector<std::string> uris{};
  bool is_server = false;
  bool is_client = false;
  std::chrono::seconds validity{0};  // from `now`; cut off where the CA's own ends
};

Result<Certificate> issue(const Authority& ca, const PublicKey& subject, const LeafRequest& leaf,
                          WallTime now);

}  // namespace pannier
