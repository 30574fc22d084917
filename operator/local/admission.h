// admit_manifest: what the admission webhook would say of a manifest, and add to it.
//
// Pure, over the cache; any thread. A pod that gets an agent is marked (pannier.dev/injected, its
// class) when it is made, and stays what it is afterwards, whatever its labels become.
#pragma once

#include <optional>
#include <vector>

#include "operator/api/manifest_reader.h"
#include "operator/kube/cache.h"

namespace pannier::local {

// `with`: all that is made together with it, classes and namespaces too. bad_config, without place.
Result<kube::Json> admit_manifest(const kube::Cache& cache, const kube::Json& manifest,
                                  const std::optional<kube::Object>& before,
                                  const std::vector<api::Manifest>& with);

}  // namespace pannier::local
