// Cache: the objects as they were last seen, by key: what watches fill and reconcilers read.
//
// Any thread. Those who listen are told on the thread that brought the change, after it can be
// read, and without a lock held; they must not block.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "operator/kube/object.h"

namespace pannier::kube {

class Cache {
 public:
  struct Change {
    std::optional<Object> before;  // none: it is new
    std::optional<Object> after;   // none: it is gone
    const Object& object() const { return after ? *after : *before; }
  };
  using Listener = std::function<void(const Change& change)>;

  // Before the first object comes.
  void listen(Listener listener);

  // An object whose resource version and UID are those that are here already is no change.
  void put(Object object);
  void remove(const Key& key);
  // Those of one kind, all of them, as a list shows them: what is missing is gone.
  void replace(std::string_view kind, std::vector<Object> objects);

  std::optional<Object> find(const Key& key) const;
  std::vector<Object> list(std::string_view kind) const;  // by namespace and name
  std::vector<Object> list(std::string_view kind, std::string_view namespace_name) const;

 private:
  void tell(const Change& change) const;

  mutable std::mutex mutex_;
  std::map<Key, Object> objects_;
  std::vector<Listener> listeners_;
};

}  // namespace pannier::kube
