// LocalFolder: what `pannier-operator local DIR` keeps in DIR/.pannier, as far as people ask for
// it: MessageQueues, pods with an agent, events. The layout is operator/local/places.h's.
//
// Read only; blocks on files; one thread. The operator may change any of it meanwhile: each file is
// read whole, one that has just gone is left out, and one that makes no sense is named in
// `warnings`. Errors are bad_config (which folder) and say what to do.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/quantity.h"
#include "common/result.h"

namespace pannier::cli {

struct Condition {
  std::string type, status, reason, message;
  std::optional<Timestamp> since;
};

struct AccessLine {
  std::string subjects;  // "ServiceAccount checkout, User ops"
  std::string verbs;     // "Publish, Consume"
};

struct QueueObject {
  std::string namespace_name, name, uid;
  std::string queue_name;
  std::uint64_t generation = 0;
  std::optional<std::uint64_t> observed_generation;
  std::optional<Timestamp> created;
  bool is_ending = false;
  std::map<std::string, std::string>
      selector;  // matchLabels; other selectors match everything here
  std::string durability = "Disk";
  std::string mode = "Peers";
  bool paused = false;
  std::optional<std::vector<AccessLine>> access;
  std::optional<std::uint64_t> agents_desired, agents_up_to_date;
  std::vector<Condition> conditions;
  std::string json;  // as it was read

  const Condition* condition(std::string_view type) const;
};

struct PodObject {
  std::string namespace_name, name, uid;
  std::map<std::string, std::string> labels;
  std::string phase;
  std::string address;
  std::optional<Timestamp> created;
  std::optional<std::uint64_t> agent_pid;
  bool is_injected = false;

  bool is_over() const { return phase == "Succeeded" || phase == "Failed"; }
};

struct EventLine {
  std::string kind, namespace_name, name;
  std::string type, reason, note;
  std::optional<Timestamp> time;
};

// Pure; nothing for what is no such object.
std::optional<QueueObject> parse_queue_object(const std::string& json);
std::optional<PodObject> parse_pod_object(const std::string& json);
std::optional<EventLine> parse_event(const std::string& line);

class LocalFolder {
 public:
  // `wanted` or, when it is empty, the environment's, or the nearest above the working directory.
  static Result<LocalFolder> find(const std::string& wanted);

  const std::string& root() const { return root_; }
  std::vector<QueueObject> queues();  // sorted by namespace and name
  std::vector<PodObject> pods();
  std::vector<EventLine> events();  // oldest first
  std::string control_socket(const std::string& pod_uid) const;

  std::vector<std::string> warnings;

 private:
  explicit LocalFolder(std::string root) : root_(std::move(root)) {}
  std::string state() const { return root_ + "/.pannier"; }
  std::vector<std::string> objects(const std::string& kind);

  std::string root_;
};

}  // namespace pannier::cli
