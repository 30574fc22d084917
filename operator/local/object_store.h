// ObjectStore: stands in for the API server: kube::Client over files, one an object.
//
// It gives uid, resourceVersion, generation (counted up when the spec changes, and when deletion
// begins), creationTimestamp and deletionTimestamp, keeps finalizers' promise, and shows every
// change to a Cache, as a watch would. Any thread. Each change is on disk (written, synced,
// renamed) before anybody sees it. A file that cannot be read ends opening: it is never replaced.
// Those who listen to the cache are told while a lock is held: they must not call the store.
//
// Where an owner has gone, what it alone owned (ownerReferences) goes too. A Pod that is removed
// only begins to end, as one with a grace does; it goes when it is removed once more, or its
// finalizers are put to none, which is what its runner does when its processes have ended.
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

inline constexpr std::size_t kEventsMax = 1'000;      // kept for good
inline constexpr std::size_t kEventLinesMax = 1'250;  // in the file before it is cut
inline constexpr std::size_t kEventNoteBytesMax = 1'000;

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
  Result<void> load_file(const std::string& path);
  Result<kube::Object> find(const kube::Key& key, const std::string& uid) const;
  // What `wanted` makes of what is there: writes it and shows it, unless nothing has changed.
  Result<kube::Object> put(const kube::Key& key, kube::Json after);
  Result<kube::Object> keep(kube::Json json);
  Result<void> erase(const kube::Key& key);
  Result<void> erase_orphans();
  Result<void> begin_removal(const kube::Key& key);
  void load_events();

  const Places places_;
  kube::Cache& cache_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<kube::Key, kube::Object> objects_;
  std::uint64_t resource_version_ = 0;
  std::mutex events_mutex_;
  std::deque<std::string> events_;  // the last kEventsMax
  std::size_t event_lines_ = 0;     // in the file
};

}  // namespace pannier::local
