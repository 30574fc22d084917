// ReplyNames: to whom the requests that went over links are to be answered, by their reply-to.
//
// An agent has it twice: of the requests that it was given, to find the way back, and of those that
// it has given away, so that a link answers nobody that it was not told of. Owned by Puller and by
// LinkLeases; loop thread. Of each agent the kReplyNamesPerLink that were seen last are kept, and
// kReplyNamesMax in all. Nothing survives a restart.
#pragma once

#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/bytes.h"
#include "sidecar/queue/name_map.h"

namespace pannier::forward {

inline constexpr std::size_t kReplyNamesPerLink = 4'096;
inline constexpr std::size_t kReplyNamesMax = 65'536;

class ReplyNames {
 public:
  // It is the one that was seen last, of that agent and of that name.
  void note(const std::string& pod, std::string_view name);
  bool knows(const std::string& pod, std::string_view name) const;
  // The agent that it was seen of last; null: none.
  const std::string* find(std::string_view name) const;
  std::size_t size() const { return size_; }

 private:
  struct OfPod {
    std::list<std::string> order;  // the last one seen is the last
    queue::NameMap<std::list<std::string>::iterator> at;
  };
  void forget_first(const std::string& pod, OfPod& of_pod);

  std::map<std::string, OfPod> pods_;
  queue::NameMap<std::string> last_;  // by name: the pod
  std::size_t size_ = 0;
};

// The reply-to among a message's properties, as they are on the wire; empty: it has none.
std::string_view reply_to_in(ByteView properties);

}  // namespace pannier::forward
