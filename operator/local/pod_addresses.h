// choose_pod_address: a loopback address for a pod, of 127.64.0.0/10, so that every pod can use the
// same ports.
//
// Pure; any thread. The same UID gets the same address wherever that one is free; where it is
// taken, the next one that is free. None: four million pods have them all.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace pannier::local {

std::optional<std::string> choose_pod_address(std::string_view pod_uid,
                                              const std::set<std::string>& taken);

}  // namespace pannier::local
