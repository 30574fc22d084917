// Identities: who the pods of a folder are: their keys and certificates, as files in the pods'
// folders, made, renewed and given anew when the CA moves on; and the operator's own.
//
// One thread, but for identity(), trust_*(), uri_of() and is_rotating(), which any may call. The CA
// is kept (DIR/.pannier/ca.yaml, 0600) before anything is signed with it; one that cannot be read
// is never replaced. A pod's key is made once in the pod's life, so that each renewal replaces one
// file, whole. Written: tls.key 0600, tls.crt and ca.crt 0644. The operator's own leaf lives in
// memory alone.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "operator/agent_poller.h"
#include "operator/authority.h"
#include "operator/local/places.h"

namespace pannier::local {

// One pod whose agent needs an identity.
struct Identified {
  std::string pod_uid;
  std::string namespace_name;
  std::string service_account;
  bool is_running = false;  // its agent has begun: the CA's steps wait for it
  // What its agent has said of itself; empty and none: nothing fresh.
  std::string trust_bundle_reported;
  std::optional<Timestamp> certificate_expires_reported;
};

class Identities {
 public:
  // Reads the CA, or makes it where there is none yet. bad_config for a CA that cannot be read.
  static Result<std::unique_ptr<Identities>> open(const Places& places, const CaPeriods& periods,
                                                  const Clock& clock);

  std::string trust_domain() const;
  std::string trust_bundle() const;
  OperatorIdentity identity() const;
  std::string uri_of(const std::string& namespace_name, const std::string& service_account,
                     const std::string& pod_uid) const;

  // Writes what these pods need and have not got, renews what is due, and takes the CA's next step
  // when it is time for it and all of them have what the last one gave them. What has happened, for
  // people. Errors: io_error; the rest of the pods have been looked at all the same.
  Result<std::vector<std::string>> keep(const std::vector<Identified>& pods);
  // Once, as soon as the CA is stable.
  void ask_for_rotation() { is_rotation_asked_ = true; }
  bool has_identity(const std::string& pod_uid) const;
  std::size_t count() const { return leaves_.size(); }
  bool is_rotating() const;  // any thread
  // When keep() is to be called again at the latest.
  std::chrono::milliseconds again_after() const;

 private:
  struct Leaf {
    Certificate certificate;
    std::string bundle;  // ca.crt, as it lies there
  };
  struct Private {};

 public:
  Identities(Private, const Places& places, const CaPeriods& periods, const Clock& clock,
             CaRotation ca);

 private:
  Result<void> renew_own();
  Result<void> keep_pod(const Identified& pod);
  Result<Leaf> leaf_of(const Identified& pod, const PrivateKey& key) const;
  bool is_held_back(const std::vector<Identified>& pods) const;
  Result<bool> advance(const std::vector<Identified>& pods);
  WallTime now() const { return wall_time(clock_.now_ms()); }

  const Places places_;
  const CaPeriods periods_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // over what others read: the CA's text, our own leaf
  CaRotation ca_;
  OperatorIdentity own_;
  std::optional<Certificate> own_leaf_;
  std::string own_uid_;
  std::map<std::string, Leaf> leaves_;  // by pod UID
  bool is_rotation_asked_ = false;
};

}  // namespace pannier::local
