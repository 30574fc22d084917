#include "operator/api/message_queue.h"

#include "operator/api/read_object.h"
#include "operator/api/resource_fields.h"

namespace pannier::api {

Result<MessageQueue> read_message_queue(const kube::Object& object) {
  return read_resource<MessageQueue>(object, [&object](YamlMap& io, MessageQueueSpec& spec) {
    message_queue_fields(io, spec, object.metadata().name);
  });
}

Result<void> check_update(const MessageQueueSpec& before, const MessageQueueSpec& after) {
  if (before.queue_name == after.queue_name) return {};
  const auto named = [](const std::string& name) {
    return name.empty() ? std::string("none") : quoted_for_people(name);
  };
  return Error{Errc::bad_config,
               "spec.queueName: expected " + named(before.queue_name) + " as before, found " +
                   named(after.queue_name) +
                   ": a queue keeps its name; make another MessageQueue for another name"};
}

}  // namespace pannier::api
