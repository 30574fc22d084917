// ObjectStore: stands in for the API server: kube::Client over files, one an object.
//
// It gives uid, resourceVersion, generation (counted up when the spec changes, and when deletion
// begins), creationTimestamp and deletionTimestamp, keeps finalizers' promise, and shows every
// change to a Cache, as a watch would. Any thread. Each change is on disk (written, synced,
// renamed) before anybody sees it. A file that cannot be read ends opening: it is never replaced.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/clock.h"
#include "operator/kube/cache.h"
#include "operator/kube/client.h"
#include "operator/local/places.h"

namespace pannier::local {

class ObjectStore final : public kube::Client {
 public:
  // Reads all objects, and shows them to the cache. Both outlive the store.
  static Result<std::unique_ptr<ObjectStore>> open(const Places& places, kube::Cache& cache,
                                                   const Clock& clock);

  Result<kube::Object> get(const kube::Key& key) override;
  Result<std::vector<kube::Object>> list(std::string_view kind) override;
  // Merges: labels, annotations and top-level fields that `wanted` has replace those that are
  // there; server-side ownership of single fields is not kept. See replace().
  Result<kube::Object> apply(const kube::Json& wanted) override;
  Result<kube::Object> put_status(const kube::Key& key, const kube::Json& status) override;
  Result<void> put_finalizers(const kube::Object& object,
                              const std::vector<std::string>& finalizers) override;
  Result<void> remove(const kube::Key& key, const std::string& uid) override;
  void record(const kube::Event& event) override;

  // As `kubectl apply` of a manifest: labels, annotations, spec and data become those of the
  // manifest; what the operator has added (its own annotations, finalizers, status) stays.
  Result<kube::Object> replace(const kube::Json& manifest);

 private:
  struct Private {};

 public:
  ObjectStore(Private, const Places& places, kube::Cache& cache, const Clock& clock);

 private:
  Result<void> load();
  Result<kube::Object> keep(kube::Json json);  // writes it and shows it

  const Places places_;
  kube::Cache& cache_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<kube::Key, kube::Object> objects_;
  std::uint64_t resource_version_ = 0;
};

}  // namespace pannier::local
