// ReconcileLoop: which key is worked on when: changes of objects and reports of agents in, and one
// thread that reconciles.
//
// begin() after the cache's last listener; the destructor ends the thread. on_report(): any
// thread. Nothing survives the process: begin() works on everything once.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "operator/kube/cache.h"
#include "operator/kube/work_queue.h"
#include "operator/reconcilers.h"

namespace pannier::local {

class ReconcileLoop {
 public:
  // Listens to the cache, which must be empty as yet. Both outlive it.
  ReconcileLoop(kube::Cache& cache, AgentReports& reports);
  ~ReconcileLoop();
  ReconcileLoop(const ReconcileLoop&) = delete;
  ReconcileLoop& operator=(const ReconcileLoop&) = delete;

  void begin(ReconcileContext context);
  void end();
  void on_report(AgentReport report);
  void add_documents();  // of every namespace that has pods: the trust bundle is another

 private:
  struct Seen {
    std::string facts;   // what documents depend on
    std::string counts;  // what statuses depend on
  };

  void on_change(const kube::Cache::Change& change);
  void add_all(std::string_view kind);
  void add_all(std::string_view kind, const std::string& namespace_name);
  void work();
  void work_on(const kube::Key& key);

  kube::Cache& cache_;
  AgentReports& reports_;
  kube::WorkQueue queue_;
  std::mutex mutex_;
  std::map<std::string, Seen> seen_;  // by pod UID
  std::optional<ReconcileContext> context_;
  std::thread thread_;
};

}  // namespace pannier::local
