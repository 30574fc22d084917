// DirectReplies: RabbitMQ's direct reply-to: who waits for answers, by the names that only those
// know who were asked.
//
// Nothing is queued and nothing is kept: an answer goes to the channel that waits, or is lost. The
// owner is SessionContext; channels put themselves in and out. Loop thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace pannier::amqp {

class Channel;

inline constexpr std::string_view kReplyTo = "amq.rabbitmq.reply-to";

class DirectReplies {
 public:
  // A name that nobody can guess.
  std::string add(Channel& channel);
  void remove(const std::string& name) { waiting_.erase(name); }
  Channel* find(std::string_view name) const;
  // Whether a queue could have that name.
  static bool is_name(std::string_view name) {
    return name.size() > kReplyTo.size() && name.starts_with(kReplyTo) &&
           name[kReplyTo.size()] == '.';
  }
  std::size_t size() const { return waiting_.size(); }

 private:
  std::unordered_map<std::string, Channel*> waiting_;
};

}  // namespace pannier::amqp
