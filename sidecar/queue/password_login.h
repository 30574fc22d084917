// PasswordLogin: checks the passwords of a policy's users, on the pool, one at a time so that reads
// from disk still get their turn there.
//
// Owned by PolicyAccess. Loop thread; only the scrypt runs on the pool. An unknown user costs what
// a known one costs. Each attempt is answered once, unless this ends first. Errors:
// not_authenticated, which never says what was wrong; limit_reached, for too many attempts at once.
// A credential that was good when it was last checked is neither refused nor held back for what
// others do with its user's name, and is checked before theirs.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/executor.h"
#include "common/log.h"
#include "common/password_hash.h"
#include "common/secret.h"
#include "sidecar/queue/access.h"
#include "sidecar/queue/login_cache.h"
#include "sidecar/queue/login_slowdown.h"
#include "sidecar/queue/name_map.h"

namespace pannier::queue {

struct LoginOptions {
  std::size_t attempts_max = 64;          // different ones, held back, waiting or being checked
  std::size_t attempts_per_user_max = 8;  // of these
  std::size_t callers_max = 4'096;        // who wait for them: equal attempts share one check
  std::size_t cached_max = 1'024;
  std::size_t good_max = 1'024;  // good logins whose cache is over that go before others
  std::chrono::seconds cached_for{60};
  SlowdownLimits slowdown;
  // (hash, password), on the pool; tests count what it is asked.
  std::function<bool(std::string_view, std::string_view)> matches = matches_password;
};

Error not_authenticated();

class PasswordLogin {
 public:
  using Done = std::function<void(Result<Principal>)>;

  PasswordLogin(Executor& loop, Executor& pool, const Clock& clock, const CredentialKey& key,
                const LoginOptions& options);
  ~PasswordLogin();
  PasswordLogin(const PasswordLogin&) = delete;
  PasswordLogin& operator=(const PasswordLogin&) = delete;

  // Forgets what was cached; attempts under way are checked against the new users.
  void set_users(const std::vector<PolicyUser>& users);

  void check(std::string_view user, std::string_view password, Done done);

  // Attempts held back since their user has failed too often.
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

 private:
  struct Attempt {
    std::string user;
    CredentialDigest user_digest{};
    std::shared_ptr<const Secret> password;
    std::vector<Done> callers;
  };
  struct Checked {
    CredentialDigest credential{};
    std::uint64_t users_version = 0;
    std::optional<std::size_t> matched;  // which of hashes_of
  };

  std::size_t attempts_of(const CredentialDigest& user) const;
  std::vector<std::string> hashes_of(std::string_view user) const;
  bool has_room(const CredentialDigest& user) const;
  void start_next();
  void on_checked(const Checked& checked);
  Result<Principal> judge(const Attempt& attempt, const Checked& checked);

  Executor& loop_;
  Executor& pool_;
  const Clock& clock_;
  const CredentialKey& key_;
  const LoginOptions options_;
  std::shared_ptr<PasswordLogin*> alive_;  // for tasks that may end after us

  NameMap<std::vector<UserPassword>> users_;
  std::uint64_t users_version_ = 0;
  std::size_t hashes_per_check_ = 1;  // the most that any user has
  ScryptCost dearest_;

  LoginCache cache_;
  GoodLogins good_;
  LoginSlowdown slowdown_;
  log::RateLimit slow_log_;

  std::unordered_map<CredentialDigest, Attempt, CredentialDigestHash> attempts_;
  std::multimap<Clock::time_point, CredentialDigest> held_back_;
  std::deque<CredentialDigest> waiting_;
  bool checking_ = false;
  std::size_t callers_ = 0;
};

}  // namespace pannier::queue
