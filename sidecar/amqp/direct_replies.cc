#include "sidecar/amqp/direct_replies.h"

#include "common/random.h"

namespace pannier::amqp {

std::string DirectReplies::add(Channel& channel) {
  std::string name = std::string(kReplyTo) + "." + random_hex(16);
  waiting_.emplace(name, &channel);
  return name;
}

Channel* DirectReplies::find(std::string_view name) const {
  if (waiting_.empty()) return nullptr;
  const auto found = waiting_.find(std::string(name));
  return found == waiting_.end() ? nullptr : found->second;
}

}  // namespace pannier::amqp
