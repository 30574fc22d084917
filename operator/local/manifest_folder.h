// ManifestFolder: the people's side of DIR: what its manifests say, taken over into the store.
//
// Looks at *.yaml, *.yml and *.json in DIR (not below it, nothing hidden) whenever it is told to. A
// file is taken whole or not at all, once it has stayed the same for one look (an editor may be in
// the middle of it); one that is bad changes nothing: what it said last still holds, and the
// message says so once a change. An object whose manifest is gone is deleted, after two looks
// without it; a file that has become empty deletes nothing. Which object came from which file is
// kept in the objects (annotation pannier.dev/manifest), so that a restart forgets nothing. One
// object in two files is an error of the second. Objects that move to another file stay the same
// objects. What may not change (a pod's spec, a queue's name) is refused. An object that is still
// being deleted is made anew afterwards. While DIR itself cannot be read, or is another folder than
// it was, nothing changes. One thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/api/manifest_reader.h"
#include "operator/local/object_store.h"

namespace pannier::local {

inline constexpr std::string_view kManifestAnnotation = "pannier.dev/manifest";
inline constexpr std::size_t kManifestBytesMax = 4u << 20;  // of one file
inline constexpr std::size_t kManifestFilesMax = 10'000;

class ManifestFolder {
 public:
  struct Hooks {
    // Refuses a change before it is made: what the admission webhook, or the API server, would say
    // no to; and adds what the webhook would (a pod's annotations). bad_config, its text without
    // the place. `with` is all of the manifest's file, which comes into being together with it.
    std::function<Result<kube::Json>(const kube::Json& manifest,
                                     const std::optional<kube::Object>& before,
                                     const std::vector<api::Manifest>& with)>
        admit;
    // For people: "orders.yaml: MessageQueue shop/orders created", or what is wrong.
    std::function<void(bool is_problem, const std::string& text)> say;
  };

  ManifestFolder(const Places& places, ObjectStore& store, Hooks hooks);

  void look();
  // Whether everything that lies in the folder has been taken or refused.
  bool is_settled() const;

 private:
  struct File;
  struct Wanted;

  // The names of the manifests in DIR; none while it cannot be said.
  std::optional<std::vector<std::string>> names();
  void see(const std::string& name);
  void read(const std::string& name, File& file);
  void take(const std::string& name, File& file);
  Result<std::vector<Wanted>> admitted(const std::string& name, const File& file);
  Result<void> check_owner(const std::string& name, const kube::Key& key) const;
  void keep(const std::string& name, File& file, const Wanted& wanted);
  void remove_missing();
  bool is_wanted(const kube::Key& key, const std::string& file) const;
  bool has_objects(const std::string& name) const;  // that came from it, whenever that was
  void refuse(File& file, const std::string& text);
  void say(bool is_problem, const std::string& text) const;

  const Places places_;
  ObjectStore& store_;
  const Hooks hooks_;
  std::map<std::string, File> files_;
  std::map<kube::Key, std::string> owned_;  // the file of each object that came from one
  std::map<kube::Key, unsigned> missing_;   // looks without it
  std::string folder_problem_;              // as it was said last
  bool has_looked_ = false;
  const std::pair<dev_t, ino_t> state_place_;  // of .pannier, as it was found

 public:
  ~ManifestFolder();
};

}  // namespace pannier::local
