// Places: where `pannier-operator local DIR` keeps what it keeps: DIR/.pannier, and all in it.
// docs/local_mode.md shows it to people, and pannierctl reads it.
//
// A value; pure. Folders are 0700, files with secrets 0600.
//
//   DIR/.pannier/lock                      held while an operator runs (flock)
//   DIR/.pannier/ca.yaml                   the CA of this folder, with its key
//   DIR/.pannier/operator.log              what the operator logs
//   DIR/.pannier/objects/KIND/NS/NAME.json every object with uid, generation and status ("_" where
//                                          a kind has no namespace)
//   DIR/.pannier/events.jsonl              the last events
//   DIR/.pannier/run/UID8.sock             control sockets of agents (first 8 of the pod's UID)
//   DIR/.pannier/pods/UID/                 one pod: app/ (PANNIER_DIR), agent/, spool/, agent.yaml,
//                                          policy.yaml, members.yaml, tls.crt, tls.key, ca.crt,
//                                          containers/NAME.json (what runs), logs/NAME.log[.1]
//   DIR/.pannier/claims/NS/POD/            a spool on a claim, which outlives its pod
#pragma once

#include <string>

#include "operator/kube/object.h"

namespace pannier::local {

class Places {
 public:
  explicit Places(std::string root) : root_(std::move(root)) {}  // DIR, absolute

  const std::string& root() const { return root_; }
  std::string state() const { return root_ + "/.pannier"; }
  std::string lock() const { return state() + "/lock"; }
  std::string ca() const { return state() + "/ca.yaml"; }
  std::string log() const { return state() + "/operator.log"; }
  std::string objects() const { return state() + "/objects"; }
  std::string events() const { return state() + "/events.jsonl"; }
  std::string object(const kube::Key& key) const;
  std::string run() const { return state() + "/run"; }
  std::string control_socket(const std::string& pod_uid) const {
    return run() + "/" + pod_uid.substr(0, 8) + ".sock";
  }
  std::string pods() const { return state() + "/pods"; }
  std::string pod(const std::string& pod_uid) const { return pods() + "/" + pod_uid; }
  std::string claim(const std::string& namespace_name, const std::string& pod_name) const {
    return state() + "/claims/" + namespace_name + "/" + pod_name;
  }

 private:
  std::string root_;
};

}  // namespace pannier::local
