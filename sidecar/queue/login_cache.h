// LoginCache: good logins of the last minute, so that a client that connects often does not cost a
// scrypt each time.
//
// Owned by PasswordLogin, emptied at each policy. Loop thread. It holds digests, no passwords, and
// a limited number of them; the oldest goes first.
#pragma once

#include <chrono>
#include <deque>
#include <iterator>
#include <list>
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

// GoodLogins: which credentials were good when they were last checked, so that who has them is not
// kept out by others who fail with the same name.
//
// Owned by PasswordLogin; outlives policies, and proves nothing: each is checked again. Loop
// thread. Digests only, a limited number; the oldest goes first.
class GoodLogins {
 public:
  explicit GoodLogins(std::size_t logins_max) : logins_max_(logins_max) {}

  bool contains(const CredentialDigest& credential) const { return logins_.contains(credential); }

  void insert(const CredentialDigest& credential) {
    if (logins_max_ == 0 || contains(credential)) return;
    if (logins_.size() >= logins_max_) {
      logins_.erase(ages_.front());
      ages_.pop_front();
    }
    ages_.push_back(credential);
    logins_.emplace(credential, std::prev(ages_.end()));
  }

  void erase(const CredentialDigest& credential) {
    const auto found = logins_.find(credential);
    if (found == logins_.end()) return;
    ages_.erase(found->second);
    logins_.erase(found);
  }

 private:
  using Ages = std::list<CredentialDigest>;  // oldest first
  const std::size_t logins_max_;
  Ages ages_;
  std::unordered_map<CredentialDigest, Ages::iterator, CredentialDigestHash> logins_;
};

}  // namespace pannier::queue
