// PodWorld: a folder with a store, a clock that is moved by hand, and a PodRunner over them, whose
// pods' containers are shell scripts and whose agents are tests/local/fake_agent.py.
//
// Owned by the test; its thread. until() turns the runner whenever one of its processes ends or
// something else may have happened, without the clock moving; pass() moves the clock.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "operator/kube/cache.h"
#include "operator/local/object_store.h"
#include "operator/local/pod_runner.h"
#include "operator/local/process_id.h"
#include "operator/local/status_json.h"
#include "tests/local/folder.h"
#include "tests/support/fake_clock.h"

namespace pannier::local {

using kube::Json;

inline Json container(const std::string& name, const std::string& script) {
  return {{"name", name}, {"command", {"/bin/sh", "-c", script}}};
}

class PodWorld : public testing::Test {
 protected:
  static constexpr int kTurnsMax = 12'000;
  static constexpr int kTurnMs = 5;

  PodWorld() {
    store_ = *ObjectStore::open(places_, cache_, clock_);
    options_.agent_program = PANNIER_FAKE_AGENT;
    options_.trust_domain = "demo.local";
    options_.say = [this](bool, const std::string& text) { said_ += text + "\n"; };
    options_.is_prepared = [this](const api::Pod&) { return is_prepared_; };
  }
  ~PodWorld() override {
    turn();
    for (const int pid : pids_) ::kill(-pid, SIGKILL);
  }

  // A pod without an agent, unless `injected`.
  void make_pod(const Json& spec, bool injected = false) {
    Json manifest{{"apiVersion", "v1"},
                  {"kind", "Pod"},
                  {"metadata", {{"name", "checkout"}, {"namespace", "shop"}}},
                  {"spec", spec}};
    if (injected) manifest["metadata"]["annotations"] = {{"pannier.dev/injected", "default"}};
    const auto made = store_->replace(manifest);
    ASSERT_TRUE(made) << made.error().detail;
    uid_ = made->metadata().uid;
    new_operator();
  }
  void remove_pod() { ASSERT_TRUE(store_->remove(key_, uid_)); }
  // The one before is gone, as if it had been killed.
  void new_operator() {
    runner_.reset();
    runner_ = std::make_unique<PodRunner>(places_, *store_, cache_, clock_, options_, key_);
  }

  std::chrono::milliseconds turn() {
    if (!runner_) return {};
    const auto again = runner_->run_once();
    const Json now = status();
    for (const char* const of : {"initContainerStatuses", "containerStatuses"})
      for (const Json& each : field_in(now, of))
        if (const auto pid = number_in(each, "pid"); pid > 1) pids_.insert(static_cast<int>(pid));
    return again;
  }
  void until(const std::function<bool()>& is_so) {
    for (int turns = 0; turns < kTurnsMax; ++turns) {
      turn();
      if (is_so()) return;
      std::vector<pollfd> waited;
      for (const int each : runner_->descriptors()) waited.push_back({each, POLLIN, 0});
      ::poll(waited.data(), waited.size(), kTurnMs);
    }
    FAIL() << "it never came about; said: " << said_ << "\nstatus: " << status().dump(1);
  }
  // The agent is asked again only after a while: for what does not depend on the time.
  void until_asked(const std::function<bool()>& is_so) {
    until([&] {
      clock_.advance(std::chrono::milliseconds(100));
      return is_so();
    });
  }
  void pass(std::chrono::milliseconds time) {
    clock_.advance(time);
    turn();
  }

  Json status() const {
    const auto object = cache_.find(key_);
    return object ? object->status() : Json();
  }
  std::string phase() const { return text_in(status(), "phase"); }
  Json of(const std::string& name) const {
    for (const char* const list : {"initContainerStatuses", "containerStatuses"})
      if (const Json found = item_named(field_in(status(), list), "name", name); !found.is_null())
        return found;
    return {};
  }
  int pid_of(const std::string& name) const { return static_cast<int>(number_in(of(name), "pid")); }
  std::uint64_t restarts(const std::string& name) const {
    return number_in(of(name), "restartCount");
  }
  bool is_waiting(const std::string& name) const {
    return of(name).contains(Json::json_pointer("/state/waiting"));
  }
  Json terminated(const std::string& name) const {
    return field_in(field_in(of(name), "state"), "terminated");
  }
  std::string ready_reason() const {
    return text_in(item_named(field_in(status(), "conditions"), "type", "Ready"), "reason");
  }
  std::string pod_folder() const { return places_.pod(uid_); }
  std::string agent_was_asked() const { return text_of(pod_folder() + "/asked"); }
  std::string events() const { return text_of(places_.events()); }
  // What a container of that script has written, whose folder is DIR.
  std::string file(const std::string& name) const { return text_of(folder_ / name); }
  bool has_file(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  Folder folder_;
  const Places places_{folder_.path()};
  FakeClock clock_;
  kube::Cache cache_;
  std::unique_ptr<ObjectStore> store_;
  PodRunnerOptions options_;
  const kube::Key key_{"Pod", "shop", "checkout"};
  std::string uid_;
  std::unique_ptr<PodRunner> runner_;
  std::string said_;
  bool is_prepared_ = true;
  std::set<int> pids_;
};

// A script that runs until it is told to end.
inline constexpr const char* kRunsOn = "mkfifo never$$; exec cat never$$";
inline constexpr const char* kDeaf =
    "trap '' TERM; echo > deaf; mkfifo never$$; while :; do cat never$$; done";

}  // namespace pannier::local
