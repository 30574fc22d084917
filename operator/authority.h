// CaRotation: the CA that signs agents' identities, and its life in persisted steps, so that no
// agent ever meets a certificate that it cannot check.
//
//   stable{A}  ->  announced{A, B}: signs with A, both are trusted
//              ->  switched{A, B}: signs with B, both are trusted  ->  stable{B}
//
// A value and pure functions; whoever holds it keeps it (to_text, before it acts on it) and gives
// the bundle out. A step waits until what it needs has reached everybody: `held_back` while some
// agent has not got the last bundle, or still shows a certificate of the old CA; and at least as
// long as the periods say. Errors are bad_config: a text that cannot be read, which must never be
// replaced by a new CA.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/certificate_authority.h"

namespace pannier {

struct CaPeriods {
  std::chrono::seconds validity = std::chrono::hours{24 * 365};
  std::chrono::seconds leaf_validity = std::chrono::hours{24};
  // How long both are trusted before, and after, the new one begins to sign.
  std::chrono::seconds announce = std::chrono::hours{24};
  std::chrono::seconds retire = std::chrono::hours{25};
};

class CaRotation {
 public:
  enum class Step : std::uint8_t { stable, announced, switched };

  static Result<CaRotation> make(const std::string& trust_domain, const CaPeriods& periods,
                                 WallTime now);
  // Keys included: a file of 0600, or a Secret.
  static Result<CaRotation> parse(std::string_view text);
  Result<std::string> to_text() const;

  Step step() const { return step_; }
  const std::string& trust_domain() const { return trust_domain_; }
  const Authority& signer() const;
  std::string trust_bundle() const;  // PEM, the signer's first
  std::string bundle_hash() const;

  // The next step if it is time for it: a new CA at two thirds of the old one's life, or when
  // `asked`. True: something has changed and must be kept before it is used.
  Result<bool> advance(const CaPeriods& periods, WallTime now, bool held_back, bool asked = false);

  // A leaf for an agent's key, whoever asks having been checked: client and server, 5 min back.
  Result<Certificate> sign(const PublicKey& key, const std::string& spiffe_uri,
                           const CaPeriods& periods, WallTime now) const;

 private:
  CaRotation(Authority current) : current_(std::move(current)) {}

  std::string trust_domain_;
  Step step_ = Step::stable;
  WallTime since_{};
  Authority current_;              // signs until `switched`
  std::optional<Authority> next_;  // signs from `switched` on
};

// When to renew: at half of its life, or when another CA signs by now.
bool should_renew(const Certificate& leaf, const CaRotation& ca, WallTime now);

}  // namespace pannier
