// Pusher: gives this agent's messages away: which queues are pushed, and where to
// (docs/decisions/0011-pushes.md).
//
// A queue in mode Hosts is pushed to a host, unless we are one; while we drain, every queue in mode
// Peers or Hosts is, to whoever may receive it. It takes messages as a link does, behind the local
// consumers, in the order of the queue. What a receiver was sent and has not answered stays with
// it: it goes back to the queue, flagged as redelivered, only when that pod is no member any more,
// after give_up_in_doubt(), or when the pusher goes. Only then, or once it is refused, does another
// receiver get it.
//
// Owned by Agent, made after the registry and gone before it; loop thread. Limited are what is in
// flight of a queue at a receiver (PushQueue) and the receivers, one link each. Nothing of it
// survives a restart: the queues still have it all.
//
//   pusher.apply(members); pusher.apply(policy);      // the registry has it already
//   pusher.on_turn_end();                             // after the registry's
//   pusher.on_synced(commit);                         // of the spool
//
// pusher.cc: turns and ends; pusher_delivery.cc: messages; pusher_targets.cc: which and where to.
#pragma once

#include <deque>
#include <functional>
#include <unordered_map>

#include "common/members.h"
#include "common/metrics.h"
#include "sidecar/forward/push_link.h"

namespace pannier::forward {

inline constexpr std::chrono::seconds kPassOverMin{1};  // a target that refuses or fails
inline constexpr std::chrono::seconds kPassOverMax{30};
inline constexpr std::chrono::seconds kPushStallMax{5};  // without an answer: others get the rest
inline constexpr std::chrono::milliseconds kPusherTick{200};  // how precise the times above are

struct PusherOptions {
  std::string pod_uid;  // ours
  // Does that agent pull that queue from us now: it has consumers for it.
  std::function<bool(const std::string& pod, const std::string& queue)> pulls;
  Backoff::UnitRandom random{};  // of delays
};

class Pusher final : private PushLinkUser {
 public:
  Pusher(queue::Registry& registry, LinkDialer& dialer, const Clock& clock, PusherOptions options);
  ~Pusher() override;
  Pusher(const Pusher&) = delete;
  Pusher& operator=(const Pusher&) = delete;

  void apply(const Policy& policy);
  void apply(const Members& members);

  // We are ending: everything goes to others from now on.
  void drain();
  // The time to drain is nearly over: what a receiver that makes no progress may or may not have
  // goes to others, too.
  void give_up_in_doubt();
  // Draining, and nothing is left that could be given away: neither ready nor unanswered, nor not
  // told to a receiver that can be told.
  bool is_done() const;

  void on_turn_end();
  void on_synced(queue::Commit commit);
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

  void show(const Metrics::ShowLink& show) const;

  std::size_t links() const { return links_.size(); }
  // Of the queue, at all receivers.
  std::size_t unanswered(const queue::Queue& queue) const;
  // The pod that gets what comes next; empty: nobody.
  std::string target_of(const queue::Queue& queue) const;

 private:
  class PushConsumer;
  struct PassedOver {
    Backoff backoff;
    Clock::time_point until{};
  };
  struct Pushed {  // a queue of the policy that is pushed, or may be
    queue::QueuePtr queue;
    std::string uid;
    ForwardMode mode = ForwardMode::peers;
    std::unique_ptr<PushConsumer> consumer;         // null: it is not pushed
    std::string target;                             // the pod; empty: nobody
    PushQueuePtr current;                           // there
    std::map<std::string, PassedOver> passed_over;  // by pod
    bool must_choose = true;
  };
  struct Settling {
    queue::Commit commit = 0;
    std::vector<std::pair<PushQueuePtr, queue::Sequence>> taken;
  };

  // pusher.cc
  Pushed* find(const PushQueue& push);
  void note(Pushed& pushed, bool must_choose);
  void look_at(Pushed& pushed);
  void forget(const queue::Queue* queue);
  void drop_idle_links();
  void end(PushLink& link);
  bool is_empty(const Pushed& pushed) const;
  bool has_work() const;

  // pusher_delivery.cc
  bool has_credit(const Pushed& pushed) const;
  void deliver(Pushed& pushed, queue::Delivery delivery);
  void hold_new();
  void flush_settles();
  static void give_back(PushQueue& push);
  void on_taken(const PushQueuePtr& push, const queue::Delivery& delivery) override;
  void on_refused(const PushQueuePtr& push, const queue::Delivery& delivery,
                  const std::string& why) override;
  void on_unreadable(const PushQueuePtr& push, const queue::Delivery& delivery,
                     const Error& why) override;
  void on_push_ended(const PushQueuePtr& push) override;
  void on_push_room(PushLink& link) override;
  void on_unreachable(PushLink& link) override;
  queue::Sequence floor_of(const PushQueue& push) override;

  // pusher_targets.cc
  bool is_pushed(const Pushed& pushed) const;
  std::vector<const MemberAgent*> targets(const Pushed& pushed) const;
  bool is_better(const Pushed& pushed, const MemberAgent& one, const MemberAgent& other) const;
  void choose(Pushed& pushed);
  void pass_over(Pushed& pushed, const std::string& pod);
  bool is_stalled(const PushQueue& push) const;
  PushLink& link_to(const MemberAgent& agent);

  queue::Registry& registry_;
  LinkDialer& dialer_;
  const Clock& clock_;
  const PusherOptions options_;
  bool is_draining_ = false;
  bool is_host_ = false;                                                   // we
  std::unordered_map<std::string, MemberAgent> agents_;                    // by pod
  std::unordered_map<std::string, std::vector<std::string>> may_receive_;  // by queue's uid
  std::unordered_map<const queue::Queue*, std::unique_ptr<Pushed>> queues_;
  std::map<std::string, std::unique_ptr<PushLink>> links_;  // by pod
  std::set<Pushed*> dirty_;
  std::vector<std::pair<queue::QueuePtr, queue::Receipt>> new_;  // of this turn: no timer ends them
  std::vector<std::pair<PushQueuePtr, queue::Sequence>> taken_;  // of this turn
  std::deque<Settling> settling_;
  std::optional<Clock::time_point> next_tick_;
};

}  // namespace pannier::forward
