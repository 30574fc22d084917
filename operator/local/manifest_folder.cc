#include "operator/local/manifest_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <tuple>

#include <nlohmann/json.hpp>

#include "common/files.h"
#include "common/utf8.h"
#include "operator/local/manifest_rules.h"

namespace pannier::local {
namespace {

namespace fs = std::filesystem;
using kube::Json;
using kube::Key;
using kube::Object;

constexpr unsigned kLooksWithout = 2;

bool is_manifest(std::string_view name) {
  return !name.starts_with('.') &&
         (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

// What changes whenever a file is written or replaced.
struct Signature {
  std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t> of{};
  std::string problem;  // not empty: it is nothing that can be read

  bool operator==(const Signature&) const = default;
};

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Signature signature_of(const std::string& path) {
  Signature signature;
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) {
    const bool is_link = fs::is_symlink(path);
    signature.problem = is_link ? "is a link that leads nowhere"
                                : std::error_code(errno, std::generic_category()).message();
    return signature;
  }
  signature.of = {file.st_dev, file.st_ino, file.st_size, nanoseconds(file.st_mtim),
                  nanoseconds(file.st_ctim)};
  if (S_ISDIR(file.st_mode))
    signature.problem = "is a folder; manifests lie in files: rename it or move it away";
  else if (!S_ISREG(file.st_mode))
    signature.problem = "is no ordinary file: move it away";
  else if (static_cast<std::uint64_t>(file.st_size) > kManifestBytesMax)
    signature.problem = "has more than 4 MiB: split it";
  return signature;
}

// Which folder it is, so that another one in its place is not taken for it.
std::pair<dev_t, ino_t> place_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? std::pair(found.st_dev, found.st_ino)
                                           : std::pair(dev_t{}, ino_t{});
}

std::string at(const std::string& name, const api::Manifest& manifest) {
  return name + ":" + std::to_string(manifest.place.line) + ": ";
}

// What the others may need comes first: classes before pods.
int rank(const std::string& kind) {
  if (kind == "Namespace") return 0;
  if (kind == "AgentClass") return 1;
  return kind == "Pod" ? 3 : 2;
}

}  // namespace

struct ManifestFolder::File {
  Signature seen;                        // at the last look
  bool is_stable = false;                // it was the same at the look before
  bool is_read = false;                  // as it lies there now
  bool is_to_read_again = false;         // the system could not give it
  bool is_taken = false;                 // all of it
  bool is_waiting = false;               // for objects that are still being deleted
  bool is_here = false;                  // in this look
  bool was_taken = false;                // ever: as it is now, or as it was before
  std::vector<api::Manifest> manifests;  // while it is read and could be
  std::vector<Key> keys;                 // that it said when it was taken last
  std::string problem;                   // as it was said last
};

struct ManifestFolder::Wanted {
  Key key;
  Json json;
  std::optional<Object> before;
};

ManifestFolder::ManifestFolder(const Places& places, ObjectStore& store, Hooks hooks)
    : places_(places),
      store_(store),
      hooks_(std::move(hooks)),
      state_place_(place_of(places.state())) {
  for (const std::string_view kind : kManifestKinds) {
    const auto objects = store_.list(kind);
    if (!objects) continue;
    for (const Object& object : *objects)
      if (const auto file = object.metadata().annotation(kManifestAnnotation); !file.empty())
        owned_[object.key()] = file;
  }
}

ManifestFolder::~ManifestFolder() = default;

void ManifestFolder::say(bool is_problem, const std::string& text) const {
  if (hooks_.say) hooks_.say(is_problem, text);
}

void ManifestFolder::refuse(File& file, const std::string& text) {
  if (file.problem != text) say(true, text);
  file.problem = text;
}

// A folder that was mounted and is not any more looks like an empty one: ours has .pannier in it.
std::optional<std::vector<std::string>> ManifestFolder::names() {
  std::vector<std::string> found;
  std::error_code failure;
  std::string problem;
  if (!fs::is_directory(places_.state(), failure))
    problem = "its folder .pannier is gone";
  else if (place_of(places_.state()) != state_place_)
    problem = "its folder .pannier is another one than this operator holds: start it again";
  fs::directory_iterator each(places_.root(), failure), end;
  for (; problem.empty() && !failure && each != end; each.increment(failure))
    if (std::string name = each->path().filename().string(); is_manifest(name))
      found.push_back(std::move(name));
  if (failure) problem = failure.message();
  if (found.size() > kManifestFilesMax)
    problem = "it has more than " + std::to_string(kManifestFilesMax) + " manifests";
  if (!problem.empty())
    problem = places_.root() + " cannot be read (" + problem + "): nothing changes until it can";
  if (problem != folder_problem_)
    say(!problem.empty(), problem.empty() ? places_.root() + " can be read again" : problem);
  folder_problem_ = problem;
  if (!problem.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());
  return found;
}

void ManifestFolder::look() {
  const auto found = names();
  if (!found) return;
  for (auto& [name, file] : files_) file.is_here = false;
  for (const std::string& name : *found) see(name);
  std::erase_if(files_, [](const auto& each) { return !each.second.is_here; });

  std::vector<std::pair<int, std::string>> order;
  for (auto& [name, file] : files_) {
    if (file.is_stable && (!file.is_read || file.is_to_read_again)) read(name, file);
    int first = 3;
    for (const api::Manifest& manifest : file.manifests)
      first = std::min(first, rank(manifest.object.kind()));
    if (file.is_read && !file.is_taken) order.emplace_back(first, name);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [first, name] : order) take(name, files_.at(name));
  remove_missing();
  has_looked_ = true;
}

void ManifestFolder::see(const std::string& name) {
  File& file = files_[name];
  file.is_here = true;
  Signature now = signature_of(places_.root() + "/" + name);
  file.is_stable = now == file.seen;
  if (file.is_stable) return;
  file.seen = std::move(now);
  file.is_read = file.is_taken = file.is_waiting = false;
  file.manifests.clear();
}

void ManifestFolder::read(const std::string& name, File& file) {
  file.is_read = true;
  file.is_to_read_again = false;
  if (!file.seen.problem.empty()) return refuse(file, name + ": " + file.seen.problem);
  const std::string path = places_.root() + "/" + name;
  const auto text = read_file(path, kManifestBytesMax);
  if (signature_of(path) != file.seen) {  // somebody has written meanwhile
    file.is_read = false;
    return;
  }
  file.is_to_read_again = !text;
  if (!text) return refuse(file, name + ": " + text.error().detail);
  const std::size_t fault = utf8_fault_at(*text);
  if (fault < text->size())
    return refuse(
        file, name + ":" +
                  std::to_string(1 + std::count(text->begin(),
                                                text->begin() + static_cast<std::ptrdiff_t>(fault),
                                                '\n')) +
                  ": is not UTF-8: save it as UTF-8");
  auto manifests = api::read_manifests(*text, name);
  if (!manifests) return refuse(file, manifests.error().detail);
  // An editor that has truncated it and not yet written, or a full disk: nobody removes a pod so.
  if (manifests->empty() && has_objects(name))
    return refuse(file, name +
                            ": is empty: what it said before still holds; delete the file to "
                            "delete its objects");
  std::stable_sort(manifests->begin(), manifests->end(), [](const auto& a, const auto& b) {
    return rank(a.object.kind()) < rank(b.object.kind());
  });
  file.manifests = std::move(*manifests);
  file.problem.clear();
}

bool ManifestFolder::has_objects(const std::string& name) const {
  return std::any_of(owned_.begin(), owned_.end(),
                     [&name](const auto& each) { return each.second == name; });
}

// Whether that file says (or, being bad, may still say) that there is such an object.
bool ManifestFolder::is_wanted(const Key& key, const std::string& file) const {
  const auto found = files_.find(file);
  if (found == files_.end()) return false;
  const File& of = found->second;
  if (!of.is_taken)
    return !of.was_taken || std::find(of.keys.begin(), of.keys.end(), key) != of.keys.end();
  return std::find(of.keys.begin(), of.keys.end(), key) != of.keys.end();
}

Result<void> ManifestFolder::check_owner(const std::string& name, const Key& key) const {
  const auto owner = owned_.find(key);
  if (owner == owned_.end() || owner->second == name || !is_wanted(key, owner->second)) return {};
  return Error{Errc::bad_config, to_text(key) + " is in " + owner->second +
                                     " as well, which counts: remove it from one of the two"};
}

// All of a file, checked before any of it is made.
Result<std::vector<ManifestFolder::Wanted>> ManifestFolder::admitted(const std::string& name,
                                                                     const File& file) {
  std::vector<Wanted> all;
  for (const api::Manifest& manifest : file.manifests) {
    const Key key = manifest.object.key();
    const auto refused = [&](const Error& error) {
      return Error{error.code, at(name, manifest) + error.detail};
    };
    for (const Wanted& other : all)
      if (other.key == key)
        return refused({Errc::bad_config, to_text(key) + " is in this file twice: remove one"});
    if (auto ours = check_owner(name, key); !ours) return refused(ours.error());
    std::optional<Object> before;
    if (auto found = store_.get(key)) before = std::move(*found);
    // One that is going is no before: what comes after it may be different.
    const bool is_new = !before || before->metadata().is_ending();
    if (!is_new)
      if (auto fits = check_unchanging(manifest.object, *before); !fits)
        return refused(fits.error());
    Json json = manifest.object.json();
    if (hooks_.admit) {
      auto answer = hooks_.admit(json, is_new ? std::optional<Object>() : before, file.manifests);
      if (!answer)
        return refused({answer.error().code, to_text(key) + ": " + answer.error().detail});
      json = std::move(*answer);
    }
    json["metadata"]["annotations"][std::string(kManifestAnnotation)] = name;
    all.push_back({key, std::move(json), std::move(before)});
  }
  return all;
}

void ManifestFolder::take(const std::string& name, File& file) {
  if (!file.seen.problem.empty() || (!file.problem.empty() && file.manifests.empty())) return;
  const auto all = admitted(name, file);
  if (!all) return refuse(file, all.error().detail);
  file.is_taken = true;
  file.is_waiting = false;
  std::vector<Key> keys;
  std::string problem;
  for (const Wanted& wanted : *all) {
    keys.push_back(wanted.key);
    keep(name, file, wanted);
  }
  file.was_taken = true;
  file.keys = std::move(keys);
  if (file.is_taken) file.problem.clear();
}

void ManifestFolder::keep(const std::string& name, File& file, const Wanted& wanted) {
  if (wanted.before && wanted.before->metadata().is_ending()) {
    if (!file.is_waiting && file.problem.empty()) {
      file.problem = name + ": " + to_text(wanted.key) +
                     " is still being deleted; it is made anew "
                     "when that is done";
      say(false, file.problem);
    }
    file.is_waiting = true;
    file.is_taken = false;
    return;
  }
  const auto kept = store_.replace(wanted.json);
  if (!kept) {
    file.is_taken = false;
    return refuse(file, name + ": " + to_text(wanted.key) + ": " + kept.error().detail);
  }
  const auto owner = owned_.find(wanted.key);
  const bool has_moved = owner != owned_.end() && owner->second != name && wanted.before;
  const std::string text = name + ": " + to_text(wanted.key);
  if (!wanted.before)
    say(false, text + " created");
  else if (has_moved)
    say(false, text + " moved here from " + owner->second);
  else if (kept->metadata().resource_version != wanted.before->metadata().resource_version)
    say(false, text + " changed");
  owned_[wanted.key] = name;
}

void ManifestFolder::remove_missing() {
  // An object may be on its way into a file that has just come.
  for (const auto& [name, file] : files_)
    if (!file.is_read && !file.was_taken) return;
  for (auto each = owned_.begin(); each != owned_.end();) {
    const auto [key, file] = *each;
    if (is_wanted(key, file)) {
      missing_.erase(key);
      ++each;
      continue;
    }
    if (++missing_[key] < kLooksWithout) {
      ++each;
      continue;
    }
    const auto found = store_.get(key);
    if (found && !found->metadata().is_ending())
      if (auto removed = store_.remove(key, found->metadata().uid); !removed) {
        say(true, file + ": " + to_text(key) + " cannot be deleted: " + removed.error().detail);
        ++each;
        continue;
      }
    if (found) {  // as it was: by now it may have gone, which is said as well
      const bool takes_time =
          found->metadata().is_ending() || !found->metadata().finalizers.empty();
      say(false, file + ": " + to_text(key) + (takes_time ? " is being deleted" : " deleted"));
    }
    missing_.erase(key);
    each = owned_.erase(each);
  }
}

bool ManifestFolder::is_settled() const {
  return has_looked_ && folder_problem_.empty() && missing_.empty() &&
         std::all_of(files_.begin(), files_.end(), [](const auto& each) {
           return each.second.is_read && !each.second.is_waiting;
         });
}

}  // namespace pannier::local
