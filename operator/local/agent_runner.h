// AgentRunner: the agent of one pod, as a kubelet runs a native sidecar: it begins before the pod's
// containers, is always started again, and ends after them, once it has handed over.
//
// Owned by PodRunner, on its thread. What it asks the agent it asks over the control socket, and
// waits for kAskFor at most, seldom. The agent's configuration is written anew before each start.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "operator/api/agent_class.h"
#include "operator/api/pod.h"
#include "operator/local/container_runner.h"
#include "operator/local/places.h"

namespace pannier::local {

class AgentRunner {
 public:
  static constexpr std::chrono::milliseconds kAskFor{200};
  static constexpr std::chrono::milliseconds kAskAgain{100};
  static constexpr std::chrono::milliseconds kAskSilentAgain{1'000};  // it took all of kAskFor
  static constexpr std::chrono::seconds kBeyondDrain{10};  // after its drain budget: SIGKILL

  struct Options {
    std::string program;
    std::string trust_domain;
    std::function<bool(const api::Pod& pod)> is_prepared;
    Say say;
  };

  AgentRunner(const Places& places, const Clock& clock, Options options, const api::Pod& pod);
  Result<void> take_up(const kube::Json& status);

  // Starts it where it is to be, looks whether it is ready, goes on ending it. Error: bad_config,
  // what makes it impossible from the beginning (a path that no socket can have, a class with
  // impossible ports).
  Result<void> go_on(const api::Pod& pod, const api::AgentClass& agent_class);
  bool needs_class() const { return !container_.is_running(); }  // to go on
  bool is_ready() const { return is_ready_; }
  std::string why_not_ready() const;

  void drain();      // from now on; the app goes on using it
  void terminate();  // from now on, once the app is gone
  bool is_over() const { return container_.is_over(); }

  // What goes with a spool that nobody keeps: the messages that it held when it was asked last.
  // None: it has never told, though it has served.
  std::optional<std::uint64_t> held();
  bool has_claim() const { return !spool_is_in_pod_; }

  std::optional<Clock::time_point> due_at() const;
  int descriptor() const { return container_.descriptor(); }
  const std::optional<ContainerEnd>& last_end() const { return container_.last_end(); }
  kube::Json status() const;
  std::string app_folder() const;

 private:
  Result<void> start(const api::Pod& pod, const api::AgentClass& agent_class);
  Result<void> write_config(const api::Pod& pod, const api::AgentClass& agent_class);
  bool may_ask();
  void ask_whether_ready(const std::string& address);
  void ask_to_drain();
  std::string ask_what_it_holds();  // and answers its phase; empty: it does not answer
  std::string take_status(const std::string& text);
  void go_on_ending();

  const Places& places_;
  const Clock& clock_;
  const Options options_;
  const std::string uid_;
  const std::string control_socket_;
  ContainerRunner container_;
  bool spool_is_in_pod_ = true;
  bool is_waiting_for_documents_ = false;
  bool is_ready_ = false;
  bool has_served_ = false;  // it may hold messages
  bool is_to_drain_ = false;
  bool is_draining_ = false;
  bool is_to_end_ = false;
  bool is_terminated_ = false;  // it has got its SIGTERM
  bool is_killed_ = false;
  Clock::time_point kill_at_{};
  Clock::time_point ask_at_{};
  std::string not_ready_;  // as it says itself
  std::optional<std::uint64_t> held_;
};

}  // namespace pannier::local
