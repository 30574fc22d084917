// LoginCache: good logins of the last minute, so that a client that connects often does not cost a
// scrypt each time.
//
// Owned by PasswordLogin, emptied at each policy. Loop thread. It holds digests, no passwords, and
// a limited number of them; the oldest goes first.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "common/quantity.h"
#include "sidecar/queue/access.h"
#include "sidecar/queue/credential_key.h"

namespace pannier::queue {

// Whether a password with that end counts. The end itself is too late.
inline bool is_valid_at(const std::optional<pannier::Timestamp>& valid_until,
                        std::int64_t wall_ms) {
  return !valid_until || std::chrono::milliseconds{wall_ms} < valid_until->time_since_epoch();
}

class LoginCache {
 public:
  LoginCache(const Clock& clock, std::size_t logins_max, std::chrono::seconds kept_for)
      : clock_(clock), logins_max_(logins_max), kept_for_(kept_for) {}

  // Null if there is none, or its password's time is over.
  const Principal* find(const CredentialDigest& credential) const {
    const auto found = logins_.find(credential);
    if (found == logins_.end()) return nullptr;
    const Login& login = found->second;
    const bool counts =
        clock_.now() < login.until && is_valid_at(login.valid_until, clock_.now_ms());
    return counts ? &login.principal : nullptr;
  }

  void insert(const CredentialDigest& credential, Principal principal,
              std::optional<pannier::Timestamp> valid_until) {
    if (logins_max_ == 0) return;
    const Clock::time_point now = clock_.now();
    while (!ages_.empty() && (ages_.front().first <= now || ages_.size() >= logins_max_)) {
      logins_.erase(ages_.front().second);
      ages_.pop_front();
    }
    const Clock::time_point until = now + kept_for_;
    logins_.insert_or_assign(credential, Login{std::move(principal), until, valid_until});
    ages_.emplace_back(until, credential);
  }

  void clear() {
    logins_.clear();
    ages_.clear();
  }
  std::size_t size() const { return logins_.size(); }

 private:
  struct Login {
    Principal principal;
    Clock::time_point until;
    std::optional<pannier::Timestamp> valid_until;
  };

  const Clock& clock_;
  const std::size_t logins_max_;
  const std::chrono::seconds kept_for_;
  std::unordered_map<CredentialDigest, Login, CredentialDigestHash> logins_;
  std::deque<std::pair<Clock::time_point, CredentialDigest>> ages_;  // oldest first
};

}  // namespace pannier::queue
