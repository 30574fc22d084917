// PodRunner: stands in for the kubelet: runs one pod of the store as processes, and says in the
// pod's status what has become of them.
//
// On one thread (the runner's), driven by run_once(): it looks at what is there, does the next
// thing that is due, and says when to come again. The order is the kubelet's: the agent first, as a
// native sidecar, until it is ready; init containers one after the other; then the containers. The
// agent is always started again, containers as restartPolicy says; the first time at once, then
// after 1 s, 2 s, ... 60 s, anew after 60 s that went well. At the end (the pod is being deleted,
// or all its containers are over): the agent drains and the containers get SIGTERM; after the grace
// SIGKILL; when they are gone SIGTERM for the agent, which has its own drain budget and 10 s more.
// A pod that is gone leaves nothing but its claim; its deletion waits for that (kRunnerFinalizer).
//
// An app gets PATH, HOME, LANG, PANNIER_DIR and its literal variables, nothing else of ours.
// Processes go on when the operator ends and are adopted by their records. An adopted one whose
// exit nobody saw counts as failed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "operator/api/agent_class.h"
#include "operator/api/pod.h"
#include "operator/kube/cache.h"
#include "operator/kube/client.h"
#include "operator/local/places.h"

namespace pannier::local {

inline constexpr std::string_view kRunnerFinalizer = "pannier.dev/runner";

struct PodRunnerOptions {
  std::string agent_program;  // path of pannier-agent
  std::string trust_domain;
  std::function<void(bool is_problem, const std::string& text)> say;  // for people
  // What an agent needs before it can start (identity, documents): asked again until it is true.
  std::function<bool(const api::Pod& pod)> is_prepared;
};

class PodRunner {
 public:
  PodRunner(const Places& places, kube::Client& store, const kube::Cache& cache, const Clock& clock,
            PodRunnerOptions options, kube::Key pod);
  ~PodRunner();  // leaves the processes running

  // When to call it again, at the latest; a descriptor of descriptors() that is readable: at once.
  std::chrono::milliseconds run_once();
  std::vector<int> descriptors() const;
  // Nothing of it is left: no process, no folder, no object.
  bool is_gone() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pannier::local
