// LoginSlowdown: counts the failed logins of each user and says how long the next attempt has to
// wait.
//
// Owned by PasswordLogin. Loop thread. Users are known by digest only, whether they exist or not.
// It remembers a limited number of them and forgets the one that failed longest ago first.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "common/backoff.h"
#include "common/clock.h"
#include "sidecar/queue/credential_key.h"

namespace pannier::queue {

struct SlowdownLimits {
  std::uint64_t failures_free = 5;  // within the window
  std::chrono::seconds window{60};  // since the first failure; since the last one once slow
  BackoffPolicy delay{std::chrono::milliseconds{500}, std::chrono::milliseconds{5'000}, 2,
                      Jitter::equal};  // below the time that a handshake may take
  std::size_t users_max = 1'024;
};

class LoginSlowdown {
 public:
  explicit LoginSlowdown(const SlowdownLimits& limits) : limits_(limits) {}

  // How long an attempt that comes now has to wait. Zero for who has not failed too often.
  std::chrono::milliseconds delay(const CredentialDigest& user, Clock::time_point now) const;

  void note_failure(const CredentialDigest& user, Clock::time_point now);
  void forget(const CredentialDigest& user) { failing_.erase(user); }
  std::size_t users() const { return failing_.size(); }

 private:
  struct Failing {
    std::uint64_t failures = 0;
    Clock::time_point forgotten_at;
    std::chrono::milliseconds delay{0};
    Backoff backoff;
  };
  void make_room(Clock::time_point now);

  const SlowdownLimits limits_;
  std::unordered_map<CredentialDigest, Failing, CredentialDigestHash> failing_;
};

}  // namespace pannier::queue
