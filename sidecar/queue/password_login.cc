#include "sidecar/queue/password_login.h"

#include <algorithm>
#include <utility>

#include "common/scrypt_text.h"

namespace pannier::queue {
namespace {

Error try_again() {
  return {Errc::limit_reached, "too many logins are being checked: try again later"};
}

ScryptCost dearer(ScryptCost a, ScryptCost b) {
  const auto work = [](ScryptCost cost) {
    return (std::uint64_t{cost.block_size} * cost.parallel) << cost.cost_log2;
  };
  return work(b) > work(a) ? b : a;
}

}  // namespace

Error not_authenticated() { return {Errc::not_authenticated, "the login was refused"}; }

PasswordLogin::PasswordLogin(Executor& loop, Executor& pool, const Clock& clock,
                             const CredentialKey& key, const LoginOptions& options)
    : loop_(loop),
      pool_(pool),
      clock_(clock),
      key_(key),
      options_(options),
      alive_(std::make_shared<PasswordLogin*>(this)),
      cache_(clock, options.cached_max, options.cached_for),
      good_(options.good_max),
      slowdown_(options.slowdown),
      slow_log_(1, clock) {}

PasswordLogin::~PasswordLogin() { *alive_ = nullptr; }

void PasswordLogin::set_users(const std::vector<PolicyUser>& users) {
  ++users_version_;
  cache_.clear();
  users_.clear();
  hashes_per_check_ = 1;
  std::optional<ScryptCost> dearest;
  for (const PolicyUser& user : users) {
    users_.insert_or_assign(user.name, user.passwords);
    hashes_per_check_ = std::max(hashes_per_check_, user.passwords.size());
    for (const UserPassword& password : user.passwords)
      if (const auto parts = parse_scrypt_text(password.hash)) {
        const ScryptCost cost{parts->cost_log2, parts->block_size, parts->parallel};
        dearest = dearest ? dearer(*dearest, cost) : cost;
      }
  }
  dearest_ = dearest.value_or(ScryptCost());
}

void PasswordLogin::check(std::string_view user, std::string_view password, Done done) {
  const CredentialDigest credential = key_.digest(user, password);
  if (const Principal* known = cache_.find(credential)) return done(Principal(*known));
  const bool was_good = good_.contains(credential);
  if (!was_good && callers_ >= options_.callers_max) return done(try_again());
  if (const auto same = attempts_.find(credential); same != attempts_.end()) {
    same->second.callers.push_back(std::move(done));
    ++callers_;
    return;
  }
  const CredentialDigest user_digest = key_.digest(user);
  if (!was_good && !has_room(user_digest)) return done(try_again());
  Attempt attempt{std::string(user), user_digest, std::make_shared<const Secret>(password), {}};
  attempt.callers.push_back(std::move(done));
  attempts_.emplace(credential, std::move(attempt));
  ++callers_;
  const Clock::time_point now = clock_.now();
  const auto delay = was_good ? std::chrono::milliseconds{0} : slowdown_.delay(user_digest, now);
  if (delay.count() > 0) {
    held_back_.emplace(now + delay, credential);
    return;
  }
  waiting_.insert(was_good ? waiting_.begin() : waiting_.end(), credential);
  start_next();
}

bool PasswordLogin::has_room(const CredentialDigest& user) const {
  return attempts_.size() < options_.attempts_max &&
         attempts_of(user) < options_.attempts_per_user_max;
}

std::size_t PasswordLogin::attempts_of(const CredentialDigest& user) const {
  const auto count = std::count_if(attempts_.begin(), attempts_.end(), [&](const auto& entry) {
    return entry.second.user_digest == user;
  });
  return static_cast<std::size_t>(count);
}

// As many for everyone, in the order of the user's passwords: what is missing or no longer valid is
// replaced by something that takes as long.
std::vector<std::string> PasswordLogin::hashes_of(std::string_view user) const {
  std::vector<std::string> hashes;
  if (const auto found = users_.find(user); found != users_.end())
    for (const UserPassword& password : found->second)
      hashes.push_back(is_valid_at(password.valid_until, clock_.now_ms())
                           ? password.hash
                           : unmatchable_hash(dearest_));
  while (hashes.size() < hashes_per_check_) hashes.push_back(unmatchable_hash(dearest_));
  return hashes;
}

void PasswordLogin::start_next() {
  if (checking_ || waiting_.empty()) return;
  const CredentialDigest credential = waiting_.front();
  waiting_.pop_front();
  checking_ = true;
  const Attempt& attempt = attempts_.at(credential);
  pool_.post([loop = &loop_, matches = options_.matches, alive = alive_,
              password = attempt.password, hashes = hashes_of(attempt.user),
              checked = Checked{credential, users_version_, std::nullopt}]() mutable {
    for (std::size_t i = 0; i < hashes.size() && !checked.matched; ++i)
      if (matches(hashes[i], password->text())) checked.matched = i;
    loop->post([alive = std::move(alive), checked] {
      if (*alive != nullptr) (*alive)->on_checked(checked);
    });
  });
}

void PasswordLogin::on_checked(const Checked& checked) {
  checking_ = false;
  if (checked.users_version != users_version_) {  // it was judged by users who have been replaced
    waiting_.push_front(checked.credential);
    return start_next();
  }
  const Attempt attempt = std::move(attempts_.extract(checked.credential).mapped());
  callers_ -= attempt.callers.size();
  const Result<Principal> judged = judge(attempt, checked);
  start_next();
  for (const Done& done : attempt.callers) done(judged);  // last: they may call us again
}

Result<Principal> PasswordLogin::judge(const Attempt& attempt, const Checked& checked) {
  const auto user = users_.find(attempt.user);
  if (checked.matched && user != users_.end() && *checked.matched < user->second.size()) {
    const auto& valid_until = user->second[*checked.matched].valid_until;
    if (is_valid_at(valid_until, clock_.now_ms())) {
      Principal principal{Principal::Kind::user, attempt.user};
      cache_.insert(checked.credential, principal, valid_until);
      good_.insert(checked.credential);
      slowdown_.forget(attempt.user_digest);
      return principal;
    }
  }
  good_.erase(checked.credential);
  const Clock::time_point now = clock_.now();
  slowdown_.note_failure(attempt.user_digest, now);
  const auto delay = slowdown_.delay(attempt.user_digest, now);
  if (delay.count() > 0 && user != users_.end())  // what is no user's name may be a password
    log::warn(slow_log_, "logins of a user who fails often are slowed",
              {{"user", attempt.user}, {"delay_ms", delay.count()}});
  return not_authenticated();
}

void PasswordLogin::on_time(Clock::time_point now) {
  while (!held_back_.empty() && held_back_.begin()->first <= now) {
    waiting_.push_back(held_back_.begin()->second);
    held_back_.erase(held_back_.begin());
  }
  start_next();
}

std::optional<Clock::time_point> PasswordLogin::deadline() const {
  if (held_back_.empty()) return std::nullopt;
  return held_back_.begin()->first;
}

}  // namespace pannier::queue
