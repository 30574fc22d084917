// MessageQueue: the resource that declares a queue (crds/messagequeue.yaml), as C++.
//
// Values and pure functions; any thread. The defaults here are the CRD's, and tests compare the
// two. Errors are bad_config with every place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/policy.h"
#include "operator/api/label_selector.h"
#include "operator/kube/object.h"

namespace pannier::api {

inline constexpr std::string_view kMessageQueueKind = "MessageQueue";
inline constexpr std::string_view kQueueFinalizer = "pannier.dev/queue";
inline constexpr std::string_view kDiscardAnnotation = "pannier.dev/discard";  // value: the UID
inline constexpr std::string_view kPausedAnnotation = "pannier.dev/paused";

struct MessageQueueSpec {
  std::string queue_name;  // empty: the object's name
  LabelSelector agents;    // empty: every injected pod of the namespace
  std::vector<QueueBinding> bindings;
  Durability durability = Durability::disk;
  QueueStorage storage;
  QueueDelivery delivery;
  ForwardMode forward_mode = ForwardMode::peers;
  std::optional<std::vector<AccessRule>> access;
  bool paused = false;
  DeletionPolicy deletion_policy = DeletionPolicy::wait_until_empty;

  bool operator==(const MessageQueueSpec&) const = default;
};

struct MessageQueue {
  kube::Metadata metadata;
  MessageQueueSpec spec;

  const std::string& queue_name() const {
    return spec.queue_name.empty() ? metadata.name : spec.queue_name;
  }
};

// From the API, which has checked it by the CRD: fields of a newer release are ignored.
Result<MessageQueue> read_message_queue(const kube::Object& object);

// What may not change while the object lives (the CRD's CEL says the same).
Result<void> check_update(const MessageQueueSpec& before, const MessageQueueSpec& after);

}  // namespace pannier::api
