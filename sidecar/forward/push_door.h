// PushDoor: whether other agents may push to this one, and which of them have a link for it now.
//
// Owned by Agent; outlives the links, which register here. Loop thread. Closed when the agent
// drains, for good: what is pushed is then refused, and nothing that was taken is given up.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/members.h"

namespace pannier::forward {

class PushDoor {
 public:
  // An agent's open link.
  class Link {
   public:
    virtual ~Link() = default;
    // The same agent has another one.
    virtual void give_way() = 0;
    // Access may have changed, or the door was closed.
    virtual void check_access() = 0;
  };

  PushDoor() = default;
  PushDoor(const PushDoor&) = delete;
  PushDoor& operator=(const PushDoor&) = delete;

  // The link that this pod had gives way first.
  void enter(const std::string& pod, Link& link);
  void leave(const std::string& pod, Link& link);
  std::size_t links() const { return links_.size(); }
  // After a new policy.
  void on_policy();
  void apply(const Members& members);
  // A pod may only name its own spool: what is taken from one is dropped when it comes again. True
  // while the members do not say which one it has.
  bool has_spool(const std::string& pod, std::string_view spool_id) const;

  // We drain: whoever pushes is told.
  void close();
  bool is_closed() const { return is_closed_; }

 private:
  std::map<std::string, Link*> links_;         // by pod
  std::map<std::string, std::string> spools_;  // by pod, where it is known
  bool is_closed_ = false;
};

}  // namespace pannier::forward
