#include "operator/local/object_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>

#include <nlohmann/json.hpp>

#include "common/certificate.h"
#include "common/files.h"
#include "common/log.h"
#include "common/random.h"

namespace pannier::local {
namespace {

namespace fs = std::filesystem;
using kube::Json;
using kube::Key;
using kube::Object;

// Which labels and annotations came from people, so that those that they take away go.
constexpr const char* kManifestManager = "manifest";

Error not_found(const Key& key) { return {Errc::not_found, to_text(key) + " does not exist"}; }

Error changed_meanwhile(const Key& key) {
  return {Errc::precondition, to_text(key) + " has changed meanwhile: read it again"};
}

Error in_store(const std::string& path, const std::string& what) {
  return {Errc::bad_config, path + ": this file of the operator's cannot be read (" + what +
                                "): put it back from a copy, or delete it to lose this object"};
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string now_text(const Clock& clock) { return timestamp_text(wall_time(clock.now_ms())); }

// What counts for the generation: everything but what the store and the operator keep about it.
Json content_of(const Json& object) {
  Json content = object;
  for (const char* field : {"apiVersion", "kind", "metadata", "status"}) content.erase(field);
  return content;
}

bool has_finalizers(const Json& metadata) {
  return metadata.contains("finalizers") && !metadata["finalizers"].empty();
}

std::vector<std::string> owners_of(const Json& object) {
  std::vector<std::string> uids;
  const Json& metadata = object.at("metadata");
  if (!metadata.contains("ownerReferences") || !metadata["ownerReferences"].is_array()) return uids;
  for (const Json& owner : metadata["ownerReferences"])
    if (owner.is_object() && owner.contains("uid") && owner["uid"].is_string())
      uids.push_back(owner["uid"]);
  return uids;
}

void merge(Json& into, const Json& from, const char* field) {
  if (!from.contains(field) || !from[field].is_object()) return;
  for (const auto& [name, value] : from[field].items()) into[field][name] = value;
}

Json names_in(const Json& metadata, const char* field) {
  Json names = Json::array();
  if (metadata.contains(field) && metadata[field].is_object())
    for (const auto& [name, value] : metadata[field].items()) names.push_back(name);
  return names;
}

// Drops what the last manifest had of labels or annotations, and takes over what this one has.
void take_over(Json& metadata, const Json& wanted, const char* field) {
  for (const Json& managed : metadata.value("managedFields", Json::array()))
    if (managed.is_object() && managed.value("manager", "") == kManifestManager &&
        metadata.contains(field))
      for (const Json& name : managed.value(field, Json::array()))
        metadata[field].erase(name.get<std::string>());
  merge(metadata, wanted, field);
  if (metadata.contains(field) && metadata[field].empty()) metadata.erase(field);
}

Json applied(const Json& before, const Json& wanted) {
  Json after = before;
  for (const auto& [field, value] : wanted.items())
    if (field != "metadata" && field != "status") after[field] = value;
  const Json& metadata = wanted.at("metadata");
  merge(after["metadata"], metadata, "labels");
  merge(after["metadata"], metadata, "annotations");
  for (const char* field : {"finalizers", "ownerReferences"})
    if (metadata.contains(field)) after["metadata"][field] = metadata[field];
  return after;
}

Json replaced(const Json& before, const Json& manifest) {
  Json after{{"metadata", before.value("metadata", Json::object())}};
  for (const auto& [field, value] : manifest.items())
    if (field != "metadata" && field != "status") after[field] = value;
  if (before.contains("status")) after["status"] = before["status"];
  const Json& wanted = manifest.at("metadata");
  Json& metadata = after["metadata"];
  take_over(metadata, wanted, "labels");
  take_over(metadata, wanted, "annotations");
  metadata["managedFields"] = Json::array({{{"manager", kManifestManager},
                                            {"labels", names_in(wanted, "labels")},
                                            {"annotations", names_in(wanted, "annotations")}}});
  return after;
}

Json event_json(const kube::Event& event, const Clock& clock) {
  return {{"time", now_text(clock)},
          {"type", event.type == kube::Event::Type::warning ? "Warning" : "Normal"},
          {"kind", event.about.kind},
          {"namespace", event.about.namespace_name},
          {"name", event.about.name},
          {"uid", event.about_uid},
          {"reason", event.reason},
          {"note", event.note.substr(0, kEventNoteBytesMax)}};
}

bool append_line(const std::string& path, const std::string& line) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const std::string text = line + "\n";
  const bool is_written = ::write(file, text.data(), text.size()) == std::ssize(text);
  ::close(file);
  return is_written;
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return Error{Errc::io_error, "cannot remove " + path + ": " +
                                     std::error_code(errno, std::generic_category()).message()};
  const int folder =
      ::open(fs::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return {};
  ::fsync(folder);
  ::close(folder);
  return {};
}

}  // namespace

ObjectStore::ObjectStore(Private, const Places& places, kube::Cache& cache, const Clock& clock)
    : places_(places), cache_(cache), clock_(clock) {}

Result<std::unique_ptr<ObjectStore>> ObjectStore::open(const Places& places, kube::Cache& cache,
                                                       const Clock& clock) {
  auto store = std::make_unique<ObjectStore>(Private(), places, cache, clock);
  if (auto loaded = store->load(); !loaded) return loaded.error();
  return store;
}

Result<void> ObjectStore::load() {
  const std::lock_guard lock(mutex_);
  // Above every version that was ever given, those of objects that have gone included.
  resource_version_ = static_cast<std::uint64_t>(std::max<std::int64_t>(0, clock_.now_ms()));
  if (auto made = make_folders(places_.objects(), 0700); !made) return made.error();
  std::error_code failure;
  fs::recursive_directory_iterator each(places_.objects(), failure), end;
  for (; !failure && each != end; each.increment(failure)) {
    if (!each->is_regular_file(failure)) continue;
    const std::string path = each->path().string();
    if (each->path().extension() == ".json") {
      if (auto loaded = load_file(path); !loaded) return loaded.error();
    } else if (each->path().filename().string().find(".new-") != std::string::npos) {
      ::unlink(path.c_str());  // the draft of a write that a crash has cut off
    }
  }
  if (failure)
    return Error{Errc::io_error, places_.objects() + ": cannot be read: " + failure.message()};
  load_events();
  if (auto erased = erase_orphans(); !erased) return erased.error();
  for (const auto& [key, object] : objects_) cache_.put(object);
  return {};
}

Result<void> ObjectStore::load_file(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return in_store(path, text.error().detail);
  auto object = Object::parse(*text);
  if (!object) return in_store(path, object.error().detail);
  if (object->metadata().uid.empty()) return in_store(path, "metadata.uid is missing");
  if (places_.object(object->key()) != path)
    return in_store(path, "it holds " + to_text(object->key()));
  const std::string& version = object->metadata().resource_version;
  const bool is_number =
      !version.empty() && version.size() < 20 &&
      std::all_of(version.begin(), version.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) return in_store(path, "metadata.resourceVersion is no number");
  resource_version_ = std::max<std::uint64_t>(resource_version_, std::stoull(version));
  objects_.insert_or_assign(object->key(), *object);
  return {};
}

Result<Object> ObjectStore::find(const Key& key, const std::string& uid) const {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return not_found(key);
  if (!uid.empty() && found->second.metadata().uid != uid) return changed_meanwhile(key);
  return found->second;
}

Result<Object> ObjectStore::get(const Key& key) {
  const std::lock_guard lock(mutex_);
  return find(key, {});
}

Result<std::vector<Object>> ObjectStore::list(std::string_view kind) {
  const std::lock_guard lock(mutex_);
  std::vector<Object> found;
  for (const auto& [key, object] : objects_)
    if (key.kind == kind) found.push_back(object);
  return found;
}

Result<Object> ObjectStore::apply(const Json& wanted) {
  const auto object = Object::from_json(wanted);
  if (!object) return object.error();
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(object->key());
  const kube::Metadata& metadata = object->metadata();
  if (!metadata.uid.empty() &&
      (found == objects_.end() || found->second.metadata().uid != metadata.uid))
    return changed_meanwhile(object->key());
  if (!metadata.resource_version.empty() &&
      (found == objects_.end() ||
       found->second.metadata().resource_version != metadata.resource_version))
    return changed_meanwhile(object->key());
  const Json before = found == objects_.end() ? Json::object() : found->second.json();
  return put(object->key(), applied(before, wanted));
}

Result<Object> ObjectStore::replace(const Json& manifest) {
  const auto object = Object::from_json(manifest);
  if (!object) return object.error();
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(object->key());
  const Json before = found == objects_.end() ? Json::object() : found->second.json();
  return put(object->key(), replaced(before, manifest));
}

Result<Object> ObjectStore::put(const Key& key, Json after) {
  const auto found = objects_.find(key);
  Json& metadata = after["metadata"];
  metadata["name"] = key.name;
  if (!key.namespace_name.empty()) metadata["namespace"] = key.namespace_name;
  if (found == objects_.end()) {
    metadata["uid"] = pannier::to_text(random_uuid());
    metadata["generation"] = 1;
    metadata["creationTimestamp"] = now_text(clock_);
    return keep(std::move(after));
  }
  const Object before = found->second;
  if (after == before.json()) return before;
  if (content_of(after) != content_of(before.json()))
    metadata["generation"] = before.metadata().generation + 1;
  // An end that has begun is not taken back, and waits for nothing new.
  if (before.metadata().is_ending() && !has_finalizers(metadata) && before.kind() != "Pod") {
    if (auto erased = erase(key); !erased) return erased.error();
    return before;
  }
  return keep(std::move(after));
}

// On disk first, then in memory, then to those who watch: in one order, for all of them.
Result<Object> ObjectStore::keep(Json json) {
  json["metadata"]["resourceVersion"] = std::to_string(++resource_version_);
  auto object = Object::from_json(std::move(json));
  if (!object) return object.error();
  const std::string path = places_.object(object->key());
  if (auto made = make_folders(fs::path(path).parent_path().string(), 0700); !made)
    return made.error();
  if (auto written = write_file(path, text_of(object->json()), 0600); !written)
    return written.error();
  objects_.insert_or_assign(object->key(), *object);
  cache_.put(*object);
  return *object;
}

Result<void> ObjectStore::erase(const Key& key) {
  if (auto removed = remove_file(places_.object(key)); !removed) return removed.error();
  objects_.erase(key);
  cache_.remove(key);
  return erase_orphans();
}

// Each round ends what has lost its last owner; what that owned in turn follows in erase().
Result<void> ObjectStore::erase_orphans() {
  std::set<std::string> uids;
  for (const auto& [key, object] : objects_) uids.insert(object.metadata().uid);
  std::vector<Key> orphans;
  for (const auto& [key, object] : objects_) {
    const std::vector<std::string> owners = owners_of(object.json());
    const auto is_there = [&uids](const std::string& uid) { return uids.contains(uid); };
    if (!owners.empty() && !object.metadata().is_ending() &&
        std::none_of(owners.begin(), owners.end(), is_there))
      orphans.push_back(key);
  }
  for (const Key& key : orphans)
    if (objects_.contains(key))
      if (auto removed = begin_removal(key); !removed) return removed.error();
  return {};
}

Result<void> ObjectStore::begin_removal(const Key& key) {
  const Object object = objects_.at(key);
  const bool is_held = has_finalizers(object.json().at("metadata"));
  if (object.metadata().is_ending()) return is_held ? Result<void>() : erase(key);
  if (!is_held && key.kind != "Pod") return erase(key);
  Json ending = object.json();
  ending["metadata"]["deletionTimestamp"] = now_text(clock_);
  ending["metadata"]["generation"] = object.metadata().generation + 1;
  if (auto kept = keep(std::move(ending)); !kept) return kept.error();
  return {};
}

Result<void> ObjectStore::remove(const Key& key, const std::string& uid) {
  const std::lock_guard lock(mutex_);
  if (const auto found = find(key, uid); !found) return found.error();
  return begin_removal(key);
}

Result<Object> ObjectStore::put_status(const Key& key, const Json& status) {
  const std::lock_guard lock(mutex_);
  auto found = find(key, {});
  if (!found || found->status() == status) return found;
  Json after = found->json();
  after["status"] = status;
  return keep(std::move(after));
}

Result<void> ObjectStore::put_finalizers(const Object& object,
                                         const std::vector<std::string>& finalizers) {
  const std::lock_guard lock(mutex_);
  const Key key = object.key();
  const auto found = find(key, object.metadata().uid);
  if (!found) return found.error();
  if (found->metadata().resource_version != object.metadata().resource_version)
    return changed_meanwhile(key);
  if (found->metadata().is_ending()) {
    for (const std::string& each : finalizers)
      if (!found->metadata().has_finalizer(each))
        return Error{Errc::bad_config, to_text(key) + " is being deleted: no finalizer is added"};
    if (finalizers.empty()) return erase(key);
  }
  if (finalizers == found->metadata().finalizers) return {};
  Json after = found->json();
  after["metadata"]["finalizers"] = finalizers;
  if (auto kept = keep(std::move(after)); !kept) return kept.error();
  return {};
}

void ObjectStore::load_events() {
  const std::lock_guard lock(events_mutex_);
  const auto text = read_file(places_.events());
  if (!text) return;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = text->find('\n', at);
    if (end == std::string::npos) {
      event_lines_ = kEventLinesMax;  // the last line was cut off: written anew with the next event
      return;
    }
    events_.push_back(text->substr(at, end - at));
    if (events_.size() > kEventsMax) events_.pop_front();
    ++event_lines_;
    at = end + 1;
  }
}

void ObjectStore::record(const kube::Event& event) {
  const std::lock_guard lock(events_mutex_);
  events_.push_back(event_json(event, clock_).dump(-1, ' ', false, Json::error_handler_t::replace));
  if (events_.size() > kEventsMax) events_.pop_front();
  bool is_kept = false;
  if (++event_lines_ <= kEventLinesMax) {
    is_kept = append_line(places_.events(), events_.back());
  } else {
    std::string all;
    for (const std::string& line : events_) all += line + "\n";
    is_kept = write_file(places_.events(), all, 0600).has_value();
    event_lines_ = events_.size();
  }
  static log::RateLimit limit(1);
  if (!is_kept)
    log::warn(limit, "an event cannot be kept",
              {{"about", to_text(event.about)}, {"reason", event.reason}});
}

}  // namespace pannier::local
