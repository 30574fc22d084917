// Client: what the operator asks of the API: the one door to it.
//
// Two of them: the real API server's (with the cluster), and local::ObjectStore, which keeps a
// folder of its own. Any thread; every call may block, with a deadline of its own. Errors:
// not_found; precondition for an object that has changed meanwhile (conflict: read it again);
// bad_config for what the API refuses, with its reason; closed and timed_out when it cannot be
// reached.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "operator/kube/object.h"

namespace pannier::kube {

// Something that happened to an object, for people (kubectl describe).
struct Event {
  enum class Type : std::uint8_t { normal, warning };
  Key about;
  std::string about_uid;
  Type type = Type::normal;
  std::string reason;  // CamelCase, one word
  std::string note;    // at most 1,000 bytes
};

class Client {
 public:
  virtual ~Client() = default;

  virtual Result<Object> get(const Key& key) = 0;
  virtual Result<std::vector<Object>> list(std::string_view kind) = 0;
  // Server-side apply: the object becomes what `wanted` says of it (apiVersion, kind, metadata and
  // what belongs to us), or is made. Fields that we applied before and leave out now go.
  virtual Result<Object> apply(const Json& wanted) = 0;
  // Replaces the whole status. Nothing is written when it is that already.
  virtual Result<Object> put_status(const Key& key, const Json& status) = 0;
  // Against that very state of the object: precondition when it is another by now. An object whose
  // deletion waits for nothing more goes.
  virtual Result<void> put_finalizers(const Object& object,
                                      const std::vector<std::string>& finalizers) = 0;
  virtual Result<void> remove(const Key& key, const std::string& uid) = 0;
  // Never fails for its caller: an event that cannot be kept is lost, and the log says so.
  virtual void record(const Event& event) = 0;
};

}  // namespace pannier::kube
