// ManifestFolder: the people's side of DIR: what its manifests say, taken over into the store.
//
// Looks at *.yaml, *.yml and *.json in DIR (not below it, nothing hidden) whenever it is told to. A
// file is taken whole or not at all, once it has stayed the same for one look (an editor may be in
// the middle of it); one that is bad changes nothing: what it said last still holds, and the
// message says so once a change. An object whose manifest is gone is deleted, after two looks
// without it. Which object came from which file is kept in the objects (annotation
// pannier.dev/manifest), so that a restart forgets nothing. One object in two files is an error of
// the second. One thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/local/object_store.h"

namespace pannier::local {

inline constexpr std::string_view kManifestAnnotation = "pannier.dev/manifest";

class ManifestFolder {
 public:
  struct Hooks {
    // Refuses a change before it is made: what the admission webhook, or the API server, would say
    // no to; and adds what the webhook would (a pod's annotations). bad_config, its text without
    // the place.
    std::function<Result<kube::Json>(const kube::Json& manifest,
                                     const std::optional<kube::Object>& before)>
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

  const Places places_;
  ObjectStore& store_;
  const Hooks hooks_;
  std::map<std::string, File> files_;

 public:
  ~ManifestFolder();
};

}  // namespace pannier::local
