#include "operator/authority.h"

#include <algorithm>

#include "common/content_hash.h"
#include "common/random.h"
#include "common/yaml_map.h"
#include "common/yaml_writer.h"

namespace pannier {
namespace {

constexpr int kSchemaVersion = 1;
constexpr std::size_t kPemBytesMax = 64u << 10;
constexpr TextRule kCertificateRule{"a certificate in PEM", kPemBytesMax, nullptr, true};
constexpr TextRule kKeyRule{"a private key in PEM", kPemBytesMax, nullptr, true, true};
constexpr TextRule kTrustDomainRule{"a trust domain", 255, nullptr, true};
constexpr Named<CaRotation::Step> kStepNames[] = {
    {"Stable", CaRotation::Step::stable},
    {"Announced", CaRotation::Step::announced},
    {"Switched", CaRotation::Step::switched},
};

struct CaText {
  std::string certificate;
  std::string key;
};

struct RotationText {
  int schema_version = kSchemaVersion;
  std::string trust_domain;
  CaRotation::Step step = CaRotation::Step::stable;
  std::optional<Timestamp> since;
  CaText current;
  std::optional<CaText> next;
};

template <typename Io>
void ca_fields(Io& io, auto& ca) {
  io.text("certificate", ca.certificate, kCertificateRule);
  io.text("key", ca.key, kKeyRule);
}

template <typename Io>
void rotation_fields(Io& io, auto& text) {
  io.integer("schemaVersion", text.schema_version, {1, kSchemaVersion});
  io.text("trustDomain", text.trust_domain, kTrustDomainRule);
  io.choice("step", text.step, kStepNames);
  io.optional_timestamp("since", text.since);
  io.section("current", [&](auto& in) { ca_fields(in, text.current); });
  io.optional_section("next", text.next, [](auto& in, auto& ca) { ca_fields(in, ca); });
}

Error in_ca(std::string_view name, const std::string& what) {
  return {Errc::bad_config, "ca: " + std::string(name) + ": " + what};
}

Result<Authority> authority_of(std::string_view name, const CaText& text) {
  auto certificate = Certificate::from_pem(text.certificate);
  if (!certificate) return in_ca(name, certificate.error().detail);
  auto key = PrivateKey::from_pem(text.key);
  if (!key) return in_ca(name, key.error().detail);
  if (!certificate->is_ca()) return in_ca(name, "the certificate is not a CA's");
  if (!certificate->matches(*key)) return in_ca(name, "the key is not the certificate's");
  return Authority{std::move(*certificate), std::move(*key)};
}

Result<CaText> text_of(const Authority& ca) {
  const auto key = ca.key.to_pem();
  if (!key) return key.error();
  return CaText{ca.certificate.to_pem(), std::string(key->view())};
}

// Certificates count from some minutes before they were made.
WallTime made_at(const Certificate& certificate) {
  return std::min(certificate.not_before() + kBackdated, certificate.not_after());
}

std::string common_name(const std::string& trust_domain) {
  // As much as a common name may have. No two CAs share one: checkers look issuers up by it.
  return "pannier " + random_hex(4) + " " + trust_domain.substr(0, 47);
}

}  // namespace

Result<CaRotation> CaRotation::make(const std::string& trust_domain, const CaPeriods& periods,
                                    WallTime now) {
  auto ca = make_ca(common_name(trust_domain), periods.validity, now);
  if (!ca) return ca.error();
  CaRotation made(std::move(*ca));
  made.trust_domain_ = trust_domain;
  made.since_ = now;
  return made;
}

Result<CaRotation> CaRotation::parse(std::string_view text) {
  const auto read = read_document<RotationText>(
      text, "ca", {}, UnknownKeys::refuse, kSchemaVersion,
      [](YamlMap& io, RotationText& into) { rotation_fields(io, into); });
  if (!read) return read.error();
  auto current = authority_of("current", read->current);
  if (!current) return current.error();
  CaRotation rotation(std::move(*current));
  rotation.trust_domain_ = read->trust_domain;
  rotation.step_ = read->step;
  if (!read->since) return in_ca("since", "expected a time, found nothing");
  rotation.since_ = *read->since;
  if (read->next.has_value() != (read->step != Step::stable))
    return in_ca("next",
                 "expected a second CA in the steps Announced and Switched, and there only");
  if (read->next) {
    auto next = authority_of("next", *read->next);
    if (!next) return next.error();
    rotation.next_ = std::move(*next);
  }
  return rotation;
}

Result<std::string> CaRotation::to_text() const {
  RotationText text;
  text.trust_domain = trust_domain_;
  text.step = step_;
  text.since = since_;
  auto current = text_of(current_);
  if (!current) return current.error();
  text.current = std::move(*current);
  if (next_) {
    auto next = text_of(*next_);
    if (!next) return next.error();
    text.next = std::move(*next);
  }
  std::string out;
  YamlMapWriter io(out);
  rotation_fields(io, text);
  return out;
}

const Authority& CaRotation::signer() const { return step_ == Step::switched ? *next_ : current_; }

std::string CaRotation::trust_bundle() const {
  std::string bundle = signer().certificate.to_pem();
  if (step_ == Step::announced) bundle += next_->certificate.to_pem();
  if (step_ == Step::switched) bundle += current_.certificate.to_pem();
  return bundle;
}

std::string CaRotation::bundle_hash() const { return content_hash(trust_bundle()); }

Result<bool> CaRotation::advance(const CaPeriods& periods, WallTime now, bool held_back,
                                 bool asked) {
  // What the old CA has signed is worth nothing once it has expired: nobody is waited for then.
  const bool is_expired = now > current_.certificate.not_after();
  const auto has_lasted = [&](std::chrono::seconds period) {
    return is_expired || (now >= since_ + period && !held_back);
  };
  switch (step_) {
    case Step::stable: {
      const WallTime made = made_at(current_.certificate);
      const auto life = current_.certificate.not_after() - made;
      if (!asked && now < made + life * 2 / 3) return false;
      auto next = make_ca(common_name(trust_domain_), periods.validity, now);
      if (!next) return next.error();
      next_ = std::move(*next);
      step_ = is_expired ? Step::switched : Step::announced;
      break;
    }
    case Step::announced:
      if (!has_lasted(periods.announce)) return false;
      step_ = Step::switched;
      break;
    case Step::switched:
      if (!has_lasted(periods.retire)) return false;
      current_ = std::move(*next_);
      next_.reset();
      step_ = Step::stable;
      break;
  }
  since_ = now;
  return true;
}

Result<Certificate> CaRotation::sign(const PublicKey& key, const std::string& spiffe_uri,
                                     const CaPeriods& periods, WallTime now) const {
  LeafRequest leaf;
  leaf.uris = {spiffe_uri};
  leaf.is_server = leaf.is_client = true;
  leaf.validity = periods.leaf_validity;
  return issue(signer(), key, leaf, now);
}

bool should_renew(const Certificate& leaf, const CaRotation& ca, WallTime now) {
  if (!leaf.is_signed_by(ca.signer().certificate)) return true;
  const WallTime made = made_at(leaf);
  return now >= made + (leaf.not_after() - made) / 2;
}

}  // namespace pannier
