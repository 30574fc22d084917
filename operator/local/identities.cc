#include "operator/local/identities.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/files.h"
#include "common/random.h"
#include "common/spiffe.h"

namespace pannier::local {
namespace {

constexpr const char* kOperatorNamespace = "pannier";
constexpr const char* kOperatorAccount = "pannier-operator";

Error in_ca(const Places& places, const Error& error) {
  return {Errc::bad_config,
          places.ca() + ": the CA of this folder cannot be read (" + error.detail +
              "): put it back from a copy. Without it no agent trusts another; to begin anew, stop "
              "all pods with --down and remove " +
              places.state()};
}

Result<CaRotation> open_ca(const Places& places, const CaPeriods& periods, WallTime now) {
  struct stat found {};
  if (::lstat(places.ca().c_str(), &found) == 0) {
    const auto text = read_file(places.ca());
    if (!text) return in_ca(places, text.error());
    auto ca = CaRotation::parse(*text);
    if (!ca) return in_ca(places, ca.error());
    return ca;
  }
  if (errno != ENOENT)
    return in_ca(places,
                 {Errc::io_error, std::error_code(errno, std::generic_category()).message()});
  auto made = CaRotation::make("local-" + random_hex(4), periods, now);
  if (!made) return made;
  const auto text = made->to_text();
  if (!text) return text.error();
  if (auto written = write_file(places.ca(), *text, 0600); !written) return written.error();
  return made;
}

// The key of a pod, made once. One that holds no key is of no use to its agent either; one that
// cannot be read just now (no descriptor is left) is not replaced: its certificate belongs to it.
Result<PrivateKey> key_in(const std::string& folder) {
  const std::string file = folder + "/tls.key";
  const auto text_now = read_file(file);
  if (!text_now && text_now.error().code == Errc::io_error) return text_now.error();
  if (text_now)
    if (auto key = PrivateKey::from_pem(*text_now)) return key;
  auto key = PrivateKey::make();
  if (!key) return key;
  const auto text = key->to_pem();
  if (!text) return text.error();
  if (auto written = write_file(file, text->view(), 0600); !written) return written.error();
  return key;
}

std::string step_text(CaRotation::Step step) {
  switch (step) {
    case CaRotation::Step::announced: return "a new CA is announced: all agents learn to trust it";
    case CaRotation::Step::switched:
      return "the new CA signs from now on: all agents get new leaves";
    case CaRotation::Step::stable:
      return "the old CA is no longer trusted: its rotation is complete";
  }
  std::abort();
}

}  // namespace

Identities::Identities(Private, const Places& places, const CaPeriods& periods, const Clock& clock,
                       CaRotation ca)
    : places_(places),
      periods_(periods),
      clock_(clock),
      ca_(std::move(ca)),
      own_uid_(to_text(random_uuid())) {}

Result<std::unique_ptr<Identities>> Identities::open(const Places& places, const CaPeriods& periods,
                                                     const Clock& clock) {
  auto ca = open_ca(places, periods, wall_time(clock.now_ms()));
  if (!ca) return ca.error();
  auto made = std::make_unique<Identities>(Private(), places, periods, clock, std::move(*ca));
  if (auto renewed = made->renew_own(); !renewed) return renewed.error();
  return made;
}

std::string Identities::trust_domain() const {
  const std::lock_guard lock(mutex_);
  return ca_.trust_domain();
}

std::string Identities::trust_bundle() const {
  const std::lock_guard lock(mutex_);
  return ca_.trust_bundle();
}

OperatorIdentity Identities::identity() const {
  const std::lock_guard lock(mutex_);
  OperatorIdentity identity = own_;
  identity.trust_bundle_pem = ca_.trust_bundle();
  return identity;
}

std::string Identities::uri_of(const std::string& namespace_name,
                               const std::string& service_account,
                               const std::string& pod_uid) const {
  const auto uri = to_uri({trust_domain(), namespace_name, service_account, pod_uid});
  return uri ? *uri : std::string();
}

Result<void> Identities::renew_own() {
  if (own_leaf_ && !should_renew(*own_leaf_, ca_, now())) return {};
  auto key = PrivateKey::make();
  if (!key) return key.error();
  const auto key_text = key->to_pem();
  if (!key_text) return key_text.error();
  auto leaf = ca_.sign(key->public_key(), uri_of(kOperatorNamespace, kOperatorAccount, own_uid_),
                       periods_, now());
  if (!leaf) return leaf.error();
  const std::lock_guard lock(mutex_);
  own_ = {leaf->to_pem(), std::string(key_text->view()), {}};
  own_leaf_ = std::move(*leaf);
  return {};
}

bool Identities::is_rotating() const {
  const std::lock_guard lock(mutex_);
  return ca_.step() != CaRotation::Step::stable;
}

bool Identities::has_identity(const std::string& pod_uid) const {
  return leaves_.contains(pod_uid);
}

Result<Identities::Leaf> Identities::leaf_of(const Identified& pod, const PrivateKey& key) const {
  const std::string folder = places_.pod(pod.pod_uid);
  const std::string uri = uri_of(pod.namespace_name, pod.service_account, pod.pod_uid);
  const auto kept = leaves_.find(pod.pod_uid);
  if (kept != leaves_.end() && kept->second.certificate.matches(key) &&
      !should_renew(kept->second.certificate, ca_, now()))
    return kept->second;
  const auto bundle = read_file(folder + "/ca.crt");
  if (const auto text = read_file(folder + "/tls.crt"); text && kept == leaves_.end())
    if (auto found = Certificate::from_pem(*text); found && found->matches(key) &&
                                                   found->spiffe_uri() == uri &&
                                                   !should_renew(*found, ca_, now()))
      return Leaf{std::move(*found), bundle ? *bundle : std::string()};
  if (uri.empty())
    return Error{Errc::bad_config, "its namespace, ServiceAccount and UID make no identity"};
  auto made = ca_.sign(key.public_key(), uri, periods_, now());
  if (!made) return made.error();
  // Whom to trust first: the leaf of a new CA must meet nobody who does not know it.
  const std::string trusted = ca_.trust_bundle();
  if (!bundle || *bundle != trusted)
    if (auto written = write_file(folder + "/ca.crt", trusted, 0644); !written)
      return written.error();
  if (auto written = write_file(folder + "/tls.crt", made->to_pem(), 0644); !written)
    return written.error();
  return Leaf{std::move(*made), trusted};
}

Result<void> Identities::keep_pod(const Identified& pod) {
  const std::string folder = places_.pod(pod.pod_uid);
  const auto kept = leaves_.find(pod.pod_uid);
  const std::string trusted = ca_.trust_bundle();
  if (kept != leaves_.end() && kept->second.bundle == trusted &&
      !should_renew(kept->second.certificate, ca_, now()))
    return {};
  if (auto made = make_folders(folder, 0700); !made) return made.error();
  const auto key = key_in(folder);
  if (!key) return key.error();
  auto leaf = leaf_of(pod, *key);
  if (!leaf) return leaf.error();
  if (leaf->bundle != trusted) {
    if (auto written = write_file(folder + "/ca.crt", trusted, 0644); !written)
      return written.error();
    leaf->bundle = trusted;
  }
  leaves_.insert_or_assign(pod.pod_uid, std::move(*leaf));
  return {};
}

// An agent that runs and has not said that it uses what it was given last.
bool Identities::is_held_back(const std::vector<Identified>& pods) const {
  const std::string bundle = ca_.bundle_hash();
  return std::any_of(pods.begin(), pods.end(), [&](const Identified& pod) {
    if (!pod.is_running) return false;
    const auto leaf = leaves_.find(pod.pod_uid);
    return leaf == leaves_.end() || pod.trust_bundle_reported != bundle ||
           pod.certificate_expires_reported != leaf->second.certificate.not_after();
  });
}

Result<bool> Identities::advance(const std::vector<Identified>& pods) {
  CaRotation next = ca_;
  const bool is_asked = is_rotation_asked_ && ca_.step() == CaRotation::Step::stable;
  auto advanced = next.advance(periods_, now(), is_held_back(pods), is_asked);
  if (!advanced || !*advanced) return advanced;
  const auto text = next.to_text();
  if (!text) return text.error();
  if (auto written = write_file(places_.ca(), *text, 0600); !written) return written.error();
  if (is_asked) is_rotation_asked_ = false;
  const std::lock_guard lock(mutex_);
  ca_ = std::move(next);
  return true;
}

Result<std::vector<std::string>> Identities::keep(const std::vector<Identified>& pods) {
  std::erase_if(leaves_, [&pods](const auto& leaf) {
    return std::none_of(pods.begin(), pods.end(),
                        [&leaf](const Identified& pod) { return pod.pod_uid == leaf.first; });
  });
  std::vector<std::string> happened;
  Result<void> all;
  const auto advanced = advance(pods);
  if (!advanced) all = advanced.error();
  if (advanced && *advanced) happened.push_back(step_text(ca_.step()));
  if (auto renewed = renew_own(); !renewed) all = renewed;
  for (const Identified& pod : pods)
    if (auto kept = keep_pod(pod); !kept)
      all = Error{kept.error().code, "pod " + pod.pod_uid + ": " + kept.error().detail};
  if (!all) return all.error();
  return happened;
}

std::chrono::milliseconds Identities::again_after() const {
  if (ca_.step() != CaRotation::Step::stable || is_rotation_asked_) return std::chrono::seconds{1};
  const auto shortest = std::min(periods_.leaf_validity, periods_.validity);
  return std::clamp<std::chrono::milliseconds>(shortest / 20, std::chrono::seconds{1},
                                               std::chrono::seconds{60});
}

}  // namespace pannier::local
