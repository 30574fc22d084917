#include "sidecar/queue/policy_access.h"

#include <algorithm>
#include <utility>

#include "common/secret.h"
#include "common/spiffe.h"

namespace pannier::queue {
namespace {

std::string_view word_of(Verb verb) {
  switch (verb) {
    case Verb::publish: return "publish";
    case Verb::consume: return "consume";
    case Verb::manage: return "manage";
  }
  std::abort();
}

std::string described(const Principal& principal) {
  return std::string(name_of(principal.kind)) + " '" + principal.name + "'";
}

}  // namespace

PolicyAccess::PolicyAccess(Executor& loop, Executor& pool, const Clock& clock,
                           PolicyAccessOptions options)
    : options_(std::move(options)),
      login_(loop, pool, clock, key_, options_.login),
      denials_(clock, options_.denials_remembered_max) {}

void PolicyAccess::apply(const Policy& policy) {
  rules_ = AccessRules(policy);
  login_.set_users(policy.users);
}

void PolicyAccess::apply(const Members& members) { members_ = MemberRules(members); }

void PolicyAccess::set_pod_credential(std::string_view user, std::string_view password,
                                      std::string_view service_account) {
  pod_.reset();
  if (user.empty() || password.empty()) return;
  pod_ = Fixed{key_.digest(user, password),
               {Principal::Kind::service_account, std::string(service_account)}};
}

void PolicyAccess::allow_guest() {
  guest_ = Fixed{key_.digest("guest", "guest"), {Principal::Kind::user, "guest"}};
}

void PolicyAccess::authenticate(Credentials credentials,
                                std::function<void(Result<Principal>)> done) {
  if (credentials.kind == Credentials::Kind::certificate)
    return done(by_certificate(credentials.certificate_uri));
  const Secret secret(credentials.secret);
  cleanse(credentials.secret);
  if (credentials.kind == Credentials::Kind::bearer)
    return done(Error{Errc::not_authenticated, "tokens are not accepted by this agent yet"});
  if (credentials.user.size() + secret.text().size() > options_.credential_bytes_max)
    return done(not_authenticated());
  if (const Principal* fixed = find_fixed(key_.digest(credentials.user, secret.text())))
    return done(Principal(*fixed));
  login_.check(credentials.user, secret.text(), std::move(done));
}

const Principal* PolicyAccess::find_fixed(const CredentialDigest& digest) const {
  const Principal* found = nullptr;
  for (const auto* fixed : {&guest_, &pod_})
    if (*fixed && same((*fixed)->digest, digest)) found = &(*fixed)->principal;
  return found;
}

Result<Principal> PolicyAccess::by_certificate(std::string_view uri) const {
  const auto id = parse_spiffe_id(uri);
  const bool is_ours = id && id->trust_domain == options_.trust_domain &&
                       id->namespace_name == options_.namespace_name &&
                       members_.lists(id->pod_uid, id->service_account);
  if (!is_ours)
    return Error{Errc::not_authenticated, "the certificate is of no agent of this namespace"};
  return Principal{Principal::Kind::agent, id->pod_uid};
}

bool PolicyAccess::may_everything(const Principal& principal) const {
  const bool is_guest = guest_ && principal == guest_->principal;
  return is_guest || principal.kind == Principal::Kind::control;
}

Result<void> PolicyAccess::may(const Principal& principal, Verb verb,
                               std::string_view queue) const {
  if (may_everything(principal) || rules_.may(principal, verb, queue, members_)) return {};
  const std::string_view word = word_of(verb);
  denials_.note(principal, word, queue);
  return Error{Errc::access_denied, std::string(word) + " access to queue '" + std::string(queue) +
                                        "' in vhost '/' refused for " + described(principal)};
}

Result<void> PolicyAccess::may_declare(const Principal& principal) const {
  if (may_everything(principal) || rules_.may_declare(principal)) return {};
  denials_.note(principal, "declare", {});
  const std::string_view why = principal.kind == Principal::Kind::agent
                                   ? ": links declare nothing"
                                   : ": clientTopology does not let clients declare anything here";
  return Error{Errc::access_denied, "configure access to vhost '/' refused for " +
                                        described(principal) + std::string(why)};
}

void PolicyAccess::on_time(Clock::time_point now) {
  login_.on_time(now);
  denials_.on_time(now);
}

std::optional<Clock::time_point> PolicyAccess::deadline() const {
  const auto login = login_.deadline();
  const auto denial = denials_.deadline();
  if (!login || !denial) return login ? login : denial;
  return std::min(*login, *denial);
}

}  // namespace pannier::queue
