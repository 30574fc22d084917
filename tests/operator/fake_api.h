// FakeApi: kube::Client over a map and a Cache, as the API server would answer: UIDs, resource
// versions, generations (counted up with the spec, and when deletion begins), finalizers.
//
// Owned by a test; one thread. The cache sees each change at once, or (hold_back) with show().
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "operator/kube/cache.h"
#include "operator/kube/client.h"

namespace pannier {

class FakeApi final : public kube::Client {
 public:
  FakeApi(kube::Cache& cache, const Clock& clock) : cache_(cache), clock_(clock) {}

  std::vector<kube::Event> events;
  unsigned status_writes = 0;
  std::function<void(const kube::Key&)> on_finalizers;  // before they are put

  // The next calls that write fail; with `but` of them going well before that.
  void fail_next(unsigned calls, Errc code = Errc::closed, unsigned but = 0) {
    failures_ = calls;
    failing_after_ = but;
    failure_ = code;
  }
  void hold_back() { is_holding_back_ = true; }
  void show() {
    is_holding_back_ = false;
    for (const auto& [key, json] : objects_) cache_.put(*kube::Object::from_json(json));
    for (const kube::Key& key : gone_) cache_.remove(key);
    gone_.clear();
  }

  // As a person does it: `json` has kind, metadata.name and what else it should have.
  kube::Object put(kube::Json json) {
    const kube::Key key = key_of(json);
    const auto held = objects_.find(key);
    kube::Json& metadata = json["metadata"];
    if (held == objects_.end()) {
      if (!metadata.contains("uid")) metadata["uid"] = "uid-" + std::to_string(++uids_);
      metadata["creationTimestamp"] = now();
      metadata["generation"] = 1;
    } else {
      const kube::Json& before = held->second;
      for (const char* const kept : {"uid", "creationTimestamp", "generation", "finalizers"})
        if (before["metadata"].contains(kept)) metadata[kept] = before["metadata"][kept];
      if (before["metadata"].contains("deletionTimestamp"))
        metadata["deletionTimestamp"] = before["metadata"]["deletionTimestamp"];
      if (before.contains("status") && !json.contains("status")) json["status"] = before["status"];
      if (before.value("spec", kube::Json()) != json.value("spec", kube::Json()))
        metadata["generation"] = metadata["generation"].get<std::uint64_t>() + 1;
    }
    return keep(key, std::move(json));
  }
  std::optional<kube::Json> find(const kube::Key& key) const {
    const auto held = objects_.find(key);
    return held == objects_.end() ? std::nullopt : std::optional(held->second);
  }
  void change(const kube::Key& key, const std::function<void(kube::Json&)>& edit) {
    kube::Json json = objects_.at(key);
    edit(json);
    put(std::move(json));
  }
  void kill(const kube::Key& key) { erase(key); }  // whatever its finalizers say

  Result<kube::Object> get(const kube::Key& key) override {
    const auto held = objects_.find(key);
    if (held == objects_.end()) return missing(key);
    return kube::Object::from_json(held->second);
  }
  Result<std::vector<kube::Object>> list(std::string_view kind) override {
    std::vector<kube::Object> found;
    for (const auto& [key, json] : objects_)
      if (key.kind == kind) found.push_back(*kube::Object::from_json(json));
    return found;
  }
  Result<kube::Object> apply(const kube::Json& wanted) override {
    if (auto failed = fails()) return *failed;
    const auto held = objects_.find(key_of(wanted));
    kube::Json json = held == objects_.end() ? kube::Json::object() : held->second;
    json.merge_patch(wanted);
    return put(std::move(json));
  }
  Result<kube::Object> put_status(const kube::Key& key, const kube::Json& status) override {
    if (auto failed = fails()) return *failed;
    const auto held = objects_.find(key);
    if (held == objects_.end()) return missing(key);
    kube::Json json = held->second;
    if (json.value("status", kube::Json()) == status) return kube::Object::from_json(json);
    ++status_writes;
    json["status"] = status;
    return keep(key, std::move(json));
  }
  Result<void> put_finalizers(const kube::Object& object,
                              const std::vector<std::string>& finalizers) override {
    if (auto failed = fails()) return *failed;
    if (on_finalizers) on_finalizers(object.key());
    const auto held = objects_.find(object.key());
    if (held == objects_.end()) return missing(object.key());
    kube::Json json = held->second;
    if (json["metadata"]["resourceVersion"] != object.metadata().resource_version)
      return Error{Errc::precondition, "it has changed"};
    json["metadata"]["finalizers"] = finalizers;
    if (json["metadata"].contains("deletionTimestamp") && finalizers.empty())
      erase(object.key());
    else
      keep(object.key(), std::move(json));
    return {};
  }
  Result<void> remove(const kube::Key& key, const std::string& uid) override {
    if (auto failed = fails()) return *failed;
    const auto held = objects_.find(key);
    if (held == objects_.end()) return missing(key);
    kube::Json json = held->second;
    kube::Json& metadata = json["metadata"];
    if (!uid.empty() && metadata["uid"] != uid) return Error{Errc::precondition, "another one"};
    if (metadata.value("finalizers", kube::Json::array()).empty()) {
      erase(key);
    } else if (!metadata.contains("deletionTimestamp")) {
      metadata["deletionTimestamp"] = now();
      metadata["generation"] = metadata["generation"].get<std::uint64_t>() + 1;
      keep(key, std::move(json));
    }
    return {};
  }
  void record(const kube::Event& event) override { events.push_back(event); }

 private:
  static kube::Key key_of(const kube::Json& json) {
    const kube::Json& metadata = json.at("metadata");
    return {json.at("kind"), metadata.value("namespace", ""), metadata.at("name")};
  }
  static Error missing(const kube::Key& key) { return {Errc::not_found, to_text(key)}; }
  std::string now() const {
    return timestamp_text(Timestamp(std::chrono::seconds(clock_.now_ms() / 1000)));
  }
  std::optional<Error> fails() {
    if (failures_ == 0) return std::nullopt;
    if (failing_after_ > 0) {
      --failing_after_;
      return std::nullopt;
    }
    --failures_;
    return Error{failure_, "as the test says"};
  }
  kube::Object keep(const kube::Key& key, kube::Json json) {
    json["metadata"]["resourceVersion"] = std::to_string(++versions_);
    objects_[key] = json;
    auto object = *kube::Object::from_json(std::move(json));
    if (!is_holding_back_) cache_.put(object);
    return object;
  }
  void erase(const kube::Key& key) {
    objects_.erase(key);
    if (is_holding_back_)
      gone_.push_back(key);
    else
      cache_.remove(key);
  }

  kube::Cache& cache_;
  const Clock& clock_;
  std::map<kube::Key, kube::Json> objects_;
  std::vector<kube::Key> gone_;
  unsigned uids_ = 0;
  unsigned versions_ = 0;
  unsigned failures_ = 0;
  unsigned failing_after_ = 0;
  Errc failure_ = Errc::closed;
  bool is_holding_back_ = false;
};

}  // namespace pannier
