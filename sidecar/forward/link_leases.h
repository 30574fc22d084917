// LinkLeases: what other agents had of our queues when their links were cut, kept for them for a
// while; which agent has a link now, and whom each may answer.
//
// Owned by Agent; outlives the links, which register here. Loop thread. A lease is kept by pod UID
// and queue; its end is the queue's (Queue::extend). It is forgotten soon after, and messages
// beyond LinkLeaseLimits::receipts go back at once. Nothing survives a restart: then everything
// that was unacknowledged is ready again.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "sidecar/forward/reply_names.h"
#include "sidecar/queue/registry.h"

namespace pannier::forward {

struct LinkLeaseLimits {
  std::chrono::seconds lease{30};
  std::size_t receipts = 262'144;  // in all
};

// A message in another agent's hands.
struct LinkHeld {
  queue::Receipt receipt;
  std::uint32_t bytes = 0;
};

class LinkLeases {
 public:
  // An agent's open link.
  class Link {
   public:
    virtual ~Link() = default;
    // The same agent has another one: what this one holds is leased, and it ends.
    virtual void give_way() = 0;
    // Access may have changed.
    virtual void check_access() = 0;
    virtual bool pulls(const std::string& queue) const = 0;
    // Messages that it was given and has not settled.
    virtual std::size_t held() const = 0;
  };

  explicit LinkLeases(const Clock& clock, const LinkLeaseLimits& limits = {});
  LinkLeases(const LinkLeases&) = delete;
  LinkLeases& operator=(const LinkLeases&) = delete;

  // The link that this pod had gives way first.
  void enter(const std::string& pod, Link& link);
  void leave(const std::string& pod, Link& link);
  std::size_t links() const { return links_.size(); }
  // Does that agent pull that queue now: then it has consumers.
  bool pulls(const std::string& pod, const std::string& queue) const;
  // After a new policy or new members.
  void on_policy();

  void lease(const std::string& pod, const queue::QueuePtr& queue, std::span<const LinkHeld> held);
  // Everything of that queue that was leased to the pod; in the caller's hands now.
  std::vector<LinkHeld> take(const std::string& pod, const queue::QueuePtr& queue);
  // The queue, if that delivery was leased to the pod.
  queue::QueuePtr take_one(const std::string& pod, const std::string& queue,
                           const queue::Receipt& receipt);
  std::size_t receipts() const { return receipts_; }

  // The requests that were given to other agents.
  ReplyNames& reply_names() { return reply_names_; }

  // What other agents have of ours, by open links and by leases.
  std::size_t held() const;
  // We end: nobody pulls any more, and what is held is ready again, uncounted, for others. For
  // good.
  void close();
  bool is_closed() const { return is_closed_; }

  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

 private:
  using Key = std::pair<std::string, std::string>;  // pod and queue
  struct Lease {
    std::weak_ptr<queue::Queue> queue;
    Clock::time_point until;
    std::unordered_map<std::uint64_t, LinkHeld> held;  // by delivery
  };
  using Leases = std::map<Key, Lease>;
  void forget(Leases::iterator at);

  const Clock& clock_;
  const LinkLeaseLimits limits_;
  std::map<std::string, Link*> links_;  // by pod
  Leases leases_;
  std::set<std::pair<Clock::time_point, Key>> deadlines_;
  std::size_t receipts_ = 0;
  ReplyNames reply_names_;
  bool is_closed_ = false;
};

}  // namespace pannier::forward
