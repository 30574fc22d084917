// PodRunner::State: what a PodRunner knows, and the steps that its run_once() is made of. Private
// to pod_runner*.cc; its thread.
//
//   setting_up -> running -> ending -> over (Succeeded, Failed) -> ending -> gone
//                    any of them, when the pod is being deleted -> ending -> gone
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "operator/local/agent_runner.h"
#include "operator/local/container_runner.h"
#include "operator/local/pod_runner.h"

namespace pannier::local {

struct PodRunner::State {
  static constexpr std::chrono::milliseconds kLookAgain{1'000};   // when nothing else is due
  static constexpr std::chrono::milliseconds kStoreAgain{1'000};  // after the store has failed
  static constexpr std::chrono::milliseconds kChangedAgain{50};

  enum class Stage : std::uint8_t { setting_up, running, ending, over, gone };
  struct Failure {
    std::string reason;
    std::string message;
  };

  State(const Places& places_given, kube::Client& store_given, const kube::Cache& cache_given,
        const Clock& clock_given, PodRunnerOptions options_given, kube::Key key_given);

  // pod_runner.cc
  void run_once();
  std::chrono::milliseconds come_again() const;
  void look_at_object();
  void set_up();
  bool has_finalizer();
  bool has_address();
  Result<void> take_up();
  void keep_status();
  kube::Json status_now() const;
  bool is_object_there() const;

  // pod_runner_run.cc
  void run();
  void run_agent();
  std::optional<api::AgentClass> agent_class() const;
  bool run_init_containers();  // whether all have succeeded
  void run_containers();
  void start(ContainerRunner& container, const api::Container& spec);
  void end_if_over();
  void fail(std::string reason, std::string message);

  // pod_runner_end.cc
  void end();
  bool end_containers();  // whether all have ended
  void finish();
  void tell_of_losses();
  void remove_folder();
  void let_go();

  void say(bool is_problem, const std::string& text) const;
  void say_once(const std::string& problem);
  void retry_store(const Error& error);
  Timestamp wall_now() const;
  std::string phase_at_end() const;

  const Places places;
  kube::Client& store;
  const kube::Cache& cache;
  const Clock& clock;
  const PodRunnerOptions options;
  const kube::Key key;

  Stage stage = Stage::setting_up;
  std::string uid;               // empty: the pod has not been seen yet
  std::optional<api::Pod> pod;   // as it was last seen
  std::string resource_version;  // of that
  kube::Json kept_status;        // what the store has
  bool is_deleted = false;       // or being deleted
  std::optional<Timestamp> started_at;
  std::string address;
  std::optional<AgentRunner> agent;
  std::vector<ContainerRunner> init_containers;
  std::vector<ContainerRunner> containers;
  bool has_been_up = false;  // a container of it has started: Running from then on
  bool has_begun = false;    // a container of it has run beside this runner, or still did
  std::optional<Failure> failure;
  bool has_signalled = false;
  bool has_killed = false;
  Clock::time_point grace_ends{};
  bool has_told_losses = false;
  bool is_folder_removed = false;
  Clock::time_point store_again{};
  std::string last_problem;
};

}  // namespace pannier::local
