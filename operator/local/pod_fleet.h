// PodFleet: a PodRunner for each pod of the store, and when each is to be looked at.
//
// One thread, but for touch() and put_documents(), which any thread may call (never while they hold
// a lock that run_once() needs). The processes go on when it goes.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "operator/document_board.h"
#include "operator/kube/cache.h"
#include "operator/local/identities.h"
#include "operator/local/pod_runner.h"

namespace pannier::local {

class PodFleet {
 public:
  PodFleet(const Places& places, kube::Client& store, const kube::Cache& cache,
           Identities& identities, const Clock& clock, PodRunnerOptions options);

  void touch(const kube::Key& pod);  // it has changed
  // To be written into the pod's folder by the next run_once().
  void put_documents(const std::string& pod_uid, const AgentDocuments& documents);

  // Everything that is due, and those whose descriptors are readable. When to come again, at the
  // latest.
  std::chrono::milliseconds run_once(const std::set<int>& readable);
  std::vector<int> descriptors() const;
  std::size_t size() const { return runners_.size(); }

 private:
  struct Runner {
    std::unique_ptr<PodRunner> runner;
    Clock::time_point due{};
  };

  void follow_store();
  void write_documents();
  Result<void> write(const std::string& pod_uid, const AgentDocuments& documents);
  bool is_prepared(const api::Pod& pod) const;

  const Places places_;
  kube::Client& store_;
  const kube::Cache& cache_;
  Identities& identities_;
  const Clock& clock_;
  PodRunnerOptions options_;
  std::map<kube::Key, Runner> runners_;
  std::set<std::string> written_;  // pods that have their documents, as this process rendered them
  std::mutex mutex_;               // over the two below
  std::set<kube::Key> touched_;
  std::map<std::string, AgentDocuments> to_write_;
  std::string problem_;  // as it was said last
};

}  // namespace pannier::local
