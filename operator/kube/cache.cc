#include "operator/kube/cache.h"

namespace pannier::kube {

void Cache::listen(Listener listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}

void Cache::put(Object object) {
  Change change;
  {
    const std::lock_guard lock(mutex_);
    const Key key = object.key();
    const auto held = objects_.find(key);
    if (held != objects_.end()) {
      const Metadata& now = held->second.metadata();
      const Metadata& next = object.metadata();
      if (now.uid == next.uid && now.resource_version == next.resource_version) return;
      change.before = std::move(held->second);
      held->second = object;
    } else {
      objects_.emplace(key, object);
    }
    change.after = std::move(object);
  }
  tell(change);
}

void Cache::remove(const Key& key) {
  Change change;
  {
    const std::lock_guard lock(mutex_);
    const auto held = objects_.find(key);
    if (held == objects_.end()) return;
    change.before = std::move(held->second);
    objects_.erase(held);
  }
  tell(change);
}

void Cache::replace(std::string_view kind, std::vector<Object> objects) {
  std::set<Key> missing;
  {
    const std::lock_guard lock(mutex_);
    for (auto each = objects_.lower_bound(Key{std::string(kind), {}, {}});
         each != objects_.end() && each->first.kind == kind; ++each)
      missing.insert(each->first);
  }
  for (Object& object : objects) {
    if (object.kind() != kind) continue;  // a list of one kind says nothing about another
    missing.erase(object.key());
    put(std::move(object));
  }
  for (const Key& key : missing) remove(key);
}

std::optional<Object> Cache::find(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const auto held = objects_.find(key);
  if (held == objects_.end()) return std::nullopt;
  return held->second;
}

std::vector<Object> Cache::list(std::string_view kind) const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> found;
  for (auto each = objects_.lower_bound(Key{std::string(kind), {}, {}});
       each != objects_.end() && each->first.kind == kind; ++each)
    found.push_back(each->second);
  return found;
}

std::vector<Object> Cache::list(std::string_view kind, std::string_view namespace_name) const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> found;
  const Key first{std::string(kind), std::string(namespace_name), {}};
  for (auto each = objects_.lower_bound(first);
       each != objects_.end() && each->first.kind == kind &&
       each->first.namespace_name == namespace_name;
       ++each)
    found.push_back(each->second);
  return found;
}

void Cache::tell(const Change& change) const {
  for (const Listener& listener : listeners_) listener(change);
}

}  // namespace pannier::kube
