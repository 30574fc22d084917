#include "operator/local/places.h"

namespace pannier::local {

std::string Places::object(const kube::Key& key) const {
  const std::string folder = key.namespace_name.empty() ? "_" : key.namespace_name;
  return objects() + "/" + key.kind + "/" + folder + "/" + key.name + ".json";
}

}  // namespace pannier::local
